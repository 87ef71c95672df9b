/*
 * Preloaded into Debian's user-mode Linux (6.1), which otherwise dies at its first process on hosts whose processors have
 * more state than it knows (AMX, for one): it keeps 2696 bytes of a process's floating point state and gives just these
 * back with PTRACE_SETREGSET, where the host wants all of it or refuses. Here what is missing at the end is filled in with
 * what the process has there at that moment; nobody inside can have changed it, since AMX has to be asked for.
 *
 *     cc -O2 -Wall -shared -fPIC -o xstate.so xstate.c -ldl && LD_PRELOAD=$PWD/xstate.so linux.uml ...
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

/* Not on the stack: the kernel's are small. It has one thread that traces. */
static unsigned char whole[64 << 10] __attribute__((aligned(64)));
static long (*real)(enum __ptrace_request, ...);

__attribute__((constructor)) static void find_real(void)
{
	real = (long (*)(enum __ptrace_request, ...))dlsym(RTLD_NEXT, "ptrace");
	if (real == NULL)
		abort();
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list arguments;

	va_start(arguments, request);
	pid_t pid = va_arg(arguments, pid_t);
	void *address = va_arg(arguments, void *);
	void *data = va_arg(arguments, void *);
	va_end(arguments);

	if (request == PTRACE_SETREGSET && address == (void *)NT_X86_XSTATE) {
		struct iovec *part = data;
		struct iovec all = { whole, sizeof whole };

		if (real(PTRACE_GETREGSET, pid, address, &all) == 0 && all.iov_len > part->iov_len) {
			memcpy(whole, part->iov_base, part->iov_len);
			return real(request, pid, address, &all);
		}
	}
	return real(request, pid, address, data);
}
