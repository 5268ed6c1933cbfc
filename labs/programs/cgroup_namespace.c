/* Prints the cgroup namespace it is in. Linked statically, it is all that a container image needs to hold. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    char link[64];
    ssize_t length = readlink("/proc/self/ns/cgroup", link, sizeof link);
    if (length == -1) {
        perror("readlink");
        return 1;
    }
    printf("%.*s\n", (int)length, link);
    return 0;
}
