/*
 * A process is started with clone(), after the notes, with their slips.
 *
 * The slips of the notes: the misspelt macro on the next line, and no check of any result. The lab shows what both
 * lead to; first.c is the same program, mended.
 */
#define _GUN_SOURCE
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
    execv(shell[0], shell);
    printf("child: execv failed\n");
    return 1;
}

int main(void)
{
    printf("parent: starting a child\n");
    pid_t pid = clone(child, child_stack + CHILD_STACK, SIGCHLD, NULL);
    waitpid(pid, NULL, 0);
    printf("parent: the child has ended\n");
    return 0;
}
