/* A bash that loses the processor between tcgetpgrp and tcsetpgrp, each time that it starts a job.
 *
 * Loaded before the C library. The shell that finds RACE_OUTER in its environment is the outer one. Its job takes the
 * terminal while it is inside tcsetpgrp, where it waits until the shell that the job starts has come to RACE_STAGE:
 * "set" (that one has just taken the terminal), "looked" (it has seen twice that it has it, jobs.c, and begins its start
 * files) or "reading" (its prompt is there). Whoever waits does so for a file in the directory RACE. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/types.h>
#include <unistd.h>

static const char *directory = "", *stage = "";
static pid_t loaded, outer;

static const char *variable(const char *name)
{
    const char *text = getenv(name);
    return text != NULL ? strdup(text) : "";
}

__attribute__((constructor)) static void begin(void)
{
    directory = variable("RACE");
    stage = variable("RACE_STAGE");
    loaded = getpid();
    outer = *variable("RACE_OUTER") ? loaded : 0;
}

static char *path(const char *name)
{
    static char text[4096];
    snprintf(text, sizeof text, "%s/%s", directory, name);
    return text;
}

static void tell(const char *name)
{
    close(open(path(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
}

static void wait_for(const char *name)
{
    for (int tries = 0; tries < 5000 && unlink(path(name)) != 0; tries++)
        usleep(1000);
}

static void come_to(const char *name) /* the inner shell: a process of its own program, and not the outer one */
{
    if (outer == 0 && loaded == getpid() && *directory && strcmp(stage, name) == 0) {
        stage = "";
        tell("stage");
        wait_for("taken");
    }
}

int tcsetpgrp(int terminal, pid_t group)
{
    int (*call)(int, pid_t) = dlsym(RTLD_NEXT, "tcsetpgrp");
    if (outer == getpid() && group != getpgrp()) {
        tell("inside");
        wait_for("stage");
        int result = call(terminal, group);
        tell("taken");
        return result;
    }
    if (outer != 0 && outer != getpid())
        wait_for("inside"); /* a job of the outer shell */
    int result = call(terminal, group);
    come_to("set");
    return result;
}

pid_t tcgetpgrp(int terminal)
{
    pid_t (*call)(int) = dlsym(RTLD_NEXT, "tcgetpgrp");
    pid_t result = call(terminal);
    static int looks;
    if (++looks == 2)
        come_to("looked");
    return result;
}

int pselect(int count, fd_set *in, fd_set *out, fd_set *other, const struct timespec *time, const sigset_t *mask)
{
    int (*call)(int, fd_set *, fd_set *, fd_set *, const struct timespec *, const sigset_t *) =
        dlsym(RTLD_NEXT, "pselect");
    come_to("reading");
    return call(count, in, out, other, time, mask);
}
