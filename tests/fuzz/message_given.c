/* SPDX-License-Identifier: BSD-3-Clause */
#include "message_given.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "message_model.h"

enum { OTHERS = 8, EVENTFDS = 3, PAGE = 4096 };

static int other[OTHERS], event[EVENTFDS];
static int file[MODEL_FILES]; /* -1: not made yet */
static bool changed[MODEL_FILES], unsealable[MODEL_FILES];

void given_create(void)
{
	int pair[2];

	for (int i = 0; i < EVENTFDS; i++)
		event[i] = eventfd(0, EFD_CLOEXEC | (i == 1 ? EFD_NONBLOCK : 0) | (i == 2 ? EFD_SEMAPHORE : 0));
	other[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	other[1] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	other[2] = epoll_create1(EPOLL_CLOEXEC);
	other[3] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	FUZZ_CHECK(pipe2(pair, O_CLOEXEC) == 0);
	other[4] = pair[0];
	other[5] = pair[1];
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	other[6] = pair[0];
	other[7] = open("/proc/self/exe", O_PATH | O_CLOEXEC);
}

int given_eventfd(unsigned int which)
{
	return event[which % EVENTFDS];
}

int given_other(unsigned int which)
{
	return other[which % OTHERS];
}

uint64_t given_stamp(unsigned int which, uint64_t offset)
{
	return UINT64_C(0x5354414d00000000) | which << 16 | offset / PAGE;
}

int given_file(unsigned int which)
{
	static uint8_t bytes[MODEL_FILE_BYTES];

	if (file[which] >= 0)
		return file[which];
	file[which] = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	for (uint64_t at = 0; at < sizeof(bytes); at += PAGE) {
		uint64_t stamp = given_stamp(which, at);

		memcpy(bytes + at, &stamp, sizeof(stamp));
	}
	FUZZ_CHECK(pwrite(file[which], bytes, sizeof(bytes), 0) == sizeof(bytes));
	return file[which];
}

bool given_is_whole(unsigned int which)
{
	return !changed[which];
}

void given_change(struct fuzz *in)
{
	unsigned int which = fuzz_below(in, MODEL_FILES);
	int fd = given_file(which);

	switch (fuzz_below(in, 4)) {
	case 0:
		changed[which] = true;
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, fuzz_below(in, 16) * PAGE, PAGE);
		break;
	case 1:
		/* Not below what is mapped: its seal says so. */
		changed[which] = true;
		(void)!ftruncate(fd, fuzz_below(in, 16) * PAGE);
		break;
	case 2:
		unsealable[which] = true;
		fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL);
		break;
	default:
		unsealable[which] = true;
		fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
	}
}

void given_begin(void)
{
	for (unsigned int i = 0; i < MODEL_FILES; i++) {
		file[i] = -1;
		changed[i] = unsealable[i] = false;
	}
}

void given_end(void)
{
	/* A file that is mapped to be written cannot be sealed. */
	for (unsigned int i = 0; i < MODEL_FILES; i++) {
		if (file[i] < 0)
			continue;
		FUZZ_CHECK(unsealable[i] || fcntl(file[i], F_ADD_SEALS, F_SEAL_WRITE) == 0);
		close(file[i]);
	}
}
