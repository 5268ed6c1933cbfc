/*
 * A shell with a host name of its own.
 *
 * CLONE_NEWUTS puts the child into a new UTS namespace, which starts as a copy of the parent's; the child renames it
 * and nobody outside notices. Needs CAP_SYS_ADMIN. Every call is checked: a program that says nothing when clone()
 * fails looks like a container that stopped at once.
 */
#define _GNU_SOURCE /* declares clone() and CLONE_NEWUTS */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_STACK (1024 * 1024)

static char child_stack[CHILD_STACK];
static char *const shell[] = {"/bin/bash", NULL};
static const char name[] = "container";

static void fail(const char *call)
{
    perror(call);
    exit(EXIT_FAILURE);
}

/* What the child runs, in the new namespace. */
static int child(void *unused)
{
    (void)unused;
    printf("child: about to become a shell\n");
    fflush(stdout);
    if (sethostname(name, strlen(name)) == -1) /* a length, not a string: the NUL at the end does not count */
        fail("sethostname");
    execv(shell[0], shell);
    fail("execv");
    return EXIT_FAILURE;
}

int main(void)
{
    printf("parent: starting a child\n");
    fflush(stdout);

    pid_t pid = clone(child, child_stack + CHILD_STACK, CLONE_NEWUTS | SIGCHLD, NULL);
    if (pid == -1)
        fail("clone");

    int status;
    if (waitpid(pid, &status, 0) == -1)
        fail("waitpid");
    printf("parent: the child has ended\n");
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}
