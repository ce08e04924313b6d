/* SPDX-License-Identifier: BSD-3-Clause */
#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static sigset_t ours(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return set;
}

void signals_block(void)
{
	sigset_t set = ours();

	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void signals_ready(struct loop_fd *source, uint32_t events VUS_UNUSED)
{
	struct signals *signals = container_of(source, struct signals, source);
	struct signalfd_siginfo info;

	role_assert_control();
	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		signals->reload(signals->arg);
	else
		signals->stop(signals->arg);
}

int signals_start(struct signals *signals)
{
	sigset_t set = ours();
	int error;

	signals->source.ready = signals_ready;
	signals->source.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals->source.fd < 0)
		return -errno;
	error = loop_fd_add(signals->loop, &signals->source, EPOLLIN);
	if (error != 0) {
		close(signals->source.fd);
		signals->source.fd = -1;
	}
	return error;
}

void signals_stop(struct signals *signals)
{
	if (signals->source.ready == NULL || signals->source.fd < 0)
		return;
	loop_fd_remove(signals->loop, &signals->source);
	close(signals->source.fd);
	signals->source.fd = -1;
}
