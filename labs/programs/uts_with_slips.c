/*
 * The first program with a UTS namespace, after the notes, with their slips. IT DOES NOT COMPILE, and is not meant to.
 *
 * The slips of the notes: the misspelt macro, the stray mark after execv, the length of 10 for a name of 9 letters, and
 * no check of any result. (The notes leave out the #include lines here.) uts_unchecked.c mends what the compiler
 * refuses; uts.c mends the rest.
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
    sethostname("container", 10);
    execv(shell[0], shell);    #？
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
