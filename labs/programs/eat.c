/*
 * eat MIB [PASSES] [scatter] [hold]: a program that touches memory of a known size.
 *
 *   MIB      how many MiB of anonymous memory it asks for
 *   PASSES   how often it touches every page of them, by default once
 *   scatter  from the second pass on it jumps from page to page, so that reading ahead is of no use
 *   hold     after that it keeps the memory and waits on its terminal: each line of input is one more pass, and the end
 *            of the input is the end of the program
 *
 * mmap(2) only promises memory. The kernel gives a page when it is touched, and charges it to the cgroup then. Huge pages
 * are declined, so that each of the 4 KiB pages counts by itself; each gets bytes of its own, so that no two are alike.
 */
#define _GNU_SOURCE /* declares MAP_ANONYMOUS and madvise() */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define MIB (1024UL * 1024UL)
#define STRIDE 1031UL /* a prime: i * STRIDE % pages visits every page once, unless pages is a multiple of it */

static void fail(const char *call)
{
    perror(call);
    exit(EXIT_FAILURE);
}

/* Write to every page once. */
static void touch(unsigned char *memory, size_t pages, size_t page, int scattered)
{
    for (size_t i = 0; i < pages; i++) {
        size_t number = scattered ? i * STRIDE % pages : i;
        unsigned char *start = memory + number * page;
        for (size_t k = 0; k < page; k += 64)
            start[k] = (unsigned char)rand();
    }
}

static void say(unsigned long mib)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == -1)
        fail("getrusage");
    printf("touched %lu MiB, %ld major faults\n", mib, usage.ru_majflt);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    unsigned long mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 10;
    int passes = 1, scattered = 0, hold = 0;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "scatter") == 0)
            scattered = 1;
        else if (strcmp(argv[i], "hold") == 0)
            hold = 1;
        else
            passes = atoi(argv[i]);
    }

    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = mib * MIB;
    unsigned char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        fail("mmap");
    madvise(memory, size, MADV_NOHUGEPAGE); /* fails where the kernel has no huge pages: then there is nothing to decline */

    for (int i = 0; i < passes; i++)
        touch(memory, size / page, page, scattered && i > 0);
    say(mib);
    while (hold && getchar() != EOF) {
        touch(memory, size / page, page, scattered);
        say(mib);
    }
    return EXIT_SUCCESS;
}
