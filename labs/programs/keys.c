/*
 * keys add NAME: put a key into the keyring of the user (@u).  keys find NAME: look for it there.
 *
 * The C library has no functions for these calls, so they are made by number: add_key(2), keyctl(2). The program keyctl
 * of the package keyutils does the same.
 */
#define _GNU_SOURCE
#include <linux/keyctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    long key = -1;

    if (argc != 3) {
        fprintf(stderr, "usage: keys add|find NAME\n");
        return 2;
    }
    if (strcmp(argv[1], "add") == 0)
        key = syscall(SYS_add_key, "user", argv[2], "secret", strlen("secret"), KEY_SPEC_USER_KEYRING);
    else
        key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "user", argv[2], 0);
    if (key == -1) {
        perror(argv[1]);
        return EXIT_FAILURE;
    }
    printf("found\n");
    return EXIT_SUCCESS;
}
