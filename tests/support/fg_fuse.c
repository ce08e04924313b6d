/* SPDX-License-Identifier: BSD-3-Clause */
#include "fg_fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILE_NODE = 2, LOOK_MS = 20, REQUEST_BYTES = 1 << 18, ANSWER_BYTES = 512 };

static void answer(int dev, const struct fuse_in_header *to, int error, const void *data, size_t n)
{
	char text[ANSWER_BYTES] = {0};
	struct fuse_out_header head = {.unique = to->unique, .error = error, .len = (uint32_t)(sizeof(head) + n)};

	memcpy(text, &head, sizeof(head));
	if (n > 0)
		memcpy(text + sizeof(head), data, n);
	if (write(dev, text, head.len) < 0 && errno != ENOENT)
		perror("fuse");
}

static struct fuse_attr attributes(uint64_t node)
{
	return (struct fuse_attr){
		.ino = node,
		.mode = node == FILE_NODE ? S_IFREG | 0666 : S_IFDIR | 0755,
		.nlink = 1,
		.size = 1 << 20,
		.blksize = 4096,
	};
}

/* The number in a request is that of a thread. */
static bool is_muted(const struct fg_fuse_state *state, uint32_t thread)
{
	char path[64];
	int pid = atomic_load(&state->muted);

	snprintf(path, sizeof(path), "/proc/%d/task/%u", pid, thread);
	return pid > 0 && access(path, F_OK) == 0;
}

static void serve(struct fg_fuse_state *state, int dev, const struct fuse_in_header *request)
{
	const struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION, .max_write = 65536, .max_readahead = 65536};
	const struct fuse_entry_out entry = {.nodeid = FILE_NODE, .generation = 1, .attr = attributes(FILE_NODE)};
	const struct fuse_attr_out attr = {.attr = attributes(request->nodeid)};
	const struct fuse_open_out opened = {.fh = 1};

	switch (request->opcode) {
	case FUSE_INIT:
		answer(dev, request, 0, &init, sizeof(init));
		return;
	case FUSE_LOOKUP:
		answer(dev, request, 0, &entry, sizeof(entry));
		return;
	case FUSE_OPEN:
		answer(dev, request, 0, &opened, sizeof(opened));
		return;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return; /* these want none */
	default:
		break;
	}
	if (is_muted(state, request->pid))
		atomic_fetch_add(&state->left, 1);
	else if (request->opcode == FUSE_GETATTR)
		answer(dev, request, 0, &attr, sizeof(attr));
	else
		answer(dev, request, request->opcode == FUSE_FLUSH || request->opcode == FUSE_RELEASE ? 0 : -ENOSYS, NULL, 0);
}

/* In a folder of its own, which goes as soon as the file is open. */
static int mount_it(struct fg_fuse_state *state, int dev)
{
	char options[96];
	int error;

	strcpy(state->folder, "/tmp/vus-fuse-XXXXXX");
	if (dev < 0 || mkdtemp(state->folder) == NULL)
		return -errno;
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", dev);
	if (mount("vus-test", state->folder, "fuse.vus-test", MS_NOSUID | MS_NODEV, options) == 0)
		return 0;
	error = -errno;
	rmdir(state->folder);
	return error;
}

/* The child: it has nothing open but the device. */
static void run(struct fg_fuse_state *state)
{
	char *text = malloc(REQUEST_BYTES);
	bool unmounted = false;
	int dev;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	dev = open("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	atomic_store(&state->error, text != NULL ? mount_it(state, dev) : -ENOMEM);
	while (atomic_load(&state->error) == 0) {
		struct pollfd ready = {.fd = dev, .events = POLLIN};
		ssize_t n;

		if (atomic_load(&state->opened) && !unmounted) {
			umount2(state->folder, MNT_DETACH);
			rmdir(state->folder);
			unmounted = true;
		}
		if (poll(&ready, 1, LOOK_MS) <= 0)
			continue;
		n = read(dev, text, REQUEST_BYTES);
		if (n >= (ssize_t)sizeof(struct fuse_in_header))
			serve(state, dev, (const struct fuse_in_header *)text);
		else if (n < 0 && errno == ENODEV)
			break;
	}
	_exit(0);
}

int fg_fuse_start(struct fg_fuse *fuse)
{
	struct fg_fuse_state *state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char path[64];
	int error;

	*fuse = (struct fg_fuse){.state = state, .file = -1};
	if (state == MAP_FAILED)
		return -errno;
	atomic_store(&state->error, 1);
	fuse->server = fork();
	if (fuse->server == 0)
		run(state);
	error = fuse->server > 0 ? 1 : -errno;
	while (error > 0 && waitpid(fuse->server, NULL, WNOHANG) == 0) {
		usleep(1000);
		error = atomic_load(&state->error);
	}
	if (error > 0) { /* it died, and is reaped */
		fuse->server = 0;
		error = -ECHILD;
	}
	snprintf(path, sizeof(path), "%s/file", state->folder);
	if (error == 0)
		fuse->file = open(path, O_RDWR | O_CLOEXEC);
	if (error == 0 && fuse->file < 0)
		error = -errno;
	atomic_store(&state->opened, true);
	if (error != 0)
		fg_fuse_stop(fuse);
	return error;
}

void fg_fuse_mute(struct fg_fuse *fuse, pid_t pid)
{
	atomic_store(&fuse->state->muted, pid);
}

void fg_fuse_stop(struct fg_fuse *fuse)
{
	if (fuse->server > 0) {
		kill(fuse->server, SIGKILL);
		waitpid(fuse->server, NULL, 0);
	}
	if (fuse->file >= 0)
		close(fuse->file);
	munmap(fuse->state, sizeof(*fuse->state));
}
