/*
 * A shell in a UTS namespace of its own, with no check of any result.
 *
 * This is uts_with_slips.c with only that mended which the compiler refuses: the macro is spelt right and the
 * stray mark is gone. Run it as an ordinary user and read its lines: would you know that there never was a child?
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_STACK (1024 * 1024)

static char child_stack[CHILD_STACK];
static char *const shell[] = {"/bin/bash", NULL};

static int child(void *unused)
{
    (void)unused;
    printf("child: about to become a shell\n");
    sethostname("container", 10);
    execv(shell[0], shell);
    printf("child: execv failed\n");
    return 1;
}

int main(void)
{
    printf("parent: starting a child\n");
    pid_t pid = clone(child, child_stack + CHILD_STACK, CLONE_NEWUTS | SIGCHLD, NULL);
    waitpid(pid, NULL, 0);
    printf("parent: the child has ended\n");
    return 0;
}
