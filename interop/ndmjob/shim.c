/*
 * Preloaded into Debian's `ndmjob` (amanda-server 3.5.1, amd64) for its own conformance test `-o test-tape`, which three
 * faults of the client itself otherwise stop, whatever the server answers:
 *
 *  1. Its memory comes from GLib's g_malloc(), where g_malloc(0) is NULL. The XDR code takes that NULL for "out of memory"
 *     when it encodes the zero-length TAPE_WRITE of phase T-BW, so the request never leaves the client. Here g_malloc(0)
 *     is one byte.
 *  2. Phase T-BWR compares what it read back, as plain `char` (signed on amd64), with the numbers 0..255: every byte from
 *     128 up differs from itself. Dropping the verdict is not enough, as the phase would still end there, a third of it
 *     undone. So the one instruction is corrected in memory: it loads the byte unsigned.
 *  3. The pattern of T-WRITE, T-READ and T-MTIO is made from a structure whose padding nobody set, so it changes between
 *     writing and reading. Here it is a function of nothing but file, record and offset.
 *
 * Nothing else of the client is touched: what it sends, which answers it expects and how it counts are its own.
 *
 *     cc -O2 -Wall -shared -fPIC -o shim.so shim.c -ldl && LD_PRELOAD=$PWD/shim.so ndmjob -o test-tape ...
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *g_malloc(size_t length)
{
	void *memory = malloc(length > 0 ? length : 1);

	if (memory == NULL)
		abort();
	return memory;
}

void ndmca_test_fill_data(char *buffer, int length, int record, int file)
{
	uint32_t word = 2654435761u * (uint32_t)(file * 1000 + record + 1);

	for (int i = 0; i < length; i++) {
		word = word * 1664525u + 1013904223u;
		buffer[i] = (char)(word >> 24);
	}
}

/* movsbl (%r12,%r15,1),%eax; mov %r15d,%ebx; movzbl %r9b,%r9d; cmp %r9d,%eax: the comparison of T-BWR. */
static const unsigned char comparison[] = {
	0x43, 0x0f, 0xbe, 0x04, 0x3c, 0x44, 0x89, 0xfb, 0x45, 0x0f, 0xb6, 0xc9, 0x44, 0x39, 0xc8
};

__attribute__((constructor)) static void compare_unsigned(void)
{
	/* The compiler put the loop into a part of its own, below the function's entry. */
	unsigned char *entry = dlsym(RTLD_DEFAULT, "ndmca_tt_basic_write_and_read");
	size_t below = 0x2000, page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *place, *start;

	if (entry == NULL)
		return; /* some other program, such as a shell */
	place = memmem(entry - below, below, comparison, sizeof comparison);
	if (place == NULL) {
		fprintf(stderr, "shim: this is not the ndmjob of amanda-server 3.5.1 on amd64: comparison not found\n");
		exit(3);
	}
	start = (unsigned char *)((uintptr_t)place & ~(page - 1));
	if (mprotect(start, 2 * page, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) {
		perror("shim: mprotect");
		exit(3);
	}
	place[2] = 0xb6; /* movzbl */
	mprotect(start, 2 * page, PROT_READ | PROT_EXEC);
}
