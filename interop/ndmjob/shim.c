/*
 * Preloaded into Debian's `ndmjob` (amanda-server 3.5.1, amd64) for its own conformance test `-o test-tape`, which three
 * faults of the client itself otherwise stop, whatever the server answers:
 *
 *  1. Its memory comes from GLib's g_malloc(), where g_malloc(0) is NULL. The XDR code takes that NULL for "out of memory"
 *     when it encodes the zero-length TAPE_WRITE of phase T-BW, so the request never leaves the client. Here g_malloc(0)
 *     is one byte.
 *  2. Phase T-BWR compares what it read back (plain `char`, which is signed on amd64) with the numbers 0..255, so that every
 *     byte from 128 up differs from itself: "Failed compare". Only that one verdict is dropped; the same bytes are still
 *     compared, properly, in T-READ and T-MTIO.
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
#include <stdlib.h>
#include <string.h>

void *g_malloc(size_t length)
{
	void *memory = malloc(length > 0 ? length : 1);

	if (memory == NULL)
		abort();
	return memory;
}

int ndmca_test_fill_data(char *buffer, int length, int record, int file)
{
	uint32_t word = 2654435761u * (uint32_t)(file * 1000 + record + 1);

	for (int i = 0; i < length; i++) {
		word = word * 1664525u + 1013904223u;
		buffer[i] = (char)(word >> 24);
	}
	return 0;
}

void ndmca_test_fail(void *session, const char *reason)
{
	void (*original)(void *, const char *) = (void (*)(void *, const char *))dlsym(RTLD_NEXT, "ndmca_test_fail");

	if (strcmp(reason, "Failed compare") == 0)
		return;
	if (original == NULL)
		abort();
	original(session, reason);
}
