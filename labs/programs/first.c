/*
 * A process is started with clone(), and nothing is isolated.
 *
 * clone() is fork() with choices: its flags say what parent and child share. Here the flags are only the signal that
 * the parent gets when the child ends, so the child stays in every namespace of its parent.
 */
#define _GNU_SOURCE /* clone() is not POSIX: without this line <sched.h> does not declare it */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_STACK (1024 * 1024)

static char child_stack[CHILD_STACK];
static char *const shell[] = {"/bin/bash", NULL};

static void fail(const char *call)
{
    perror(call);
    exit(EXIT_FAILURE);
}

/* What the child runs. execv() puts another program in place of this one, so it only comes back if it failed. */
static int child(void *unused)
{
    (void)unused;
    printf("child: about to become a shell\n");
    fflush(stdout); /* execv() throws away what still waits in the buffer */
    execv(shell[0], shell);
    fail("execv");
    return EXIT_FAILURE;
}

int main(void)
{
    printf("parent: starting a child\n");
    fflush(stdout); /* the child gets a copy of the buffer: what waits in it would be printed by both, or too late */

    /* A stack grows towards lower addresses, so the child gets the upper end of its stack. */
    pid_t pid = clone(child, child_stack + CHILD_STACK, SIGCHLD, NULL);
    if (pid == -1)
        fail("clone");
    if (waitpid(pid, NULL, 0) == -1)
        fail("waitpid");

    printf("parent: the child has ended\n");
    return EXIT_SUCCESS;
}
