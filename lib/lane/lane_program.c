/* SPDX-License-Identifier: BSD-3-Clause */
#include "lane_program.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vus_paths.h"

/* Beside this program's build folder, then where both are installed; relative, so that a tree can be moved. */
int lane_program_find(struct lane_program_path *path)
{
	static const char *const places[] = {
		"../lane/vuswitch-lane",
		"../libexec/vuswitch/vuswitch-lane",
	};
	struct lane_program_path at;
	char self[512];
	int error = 0;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = '\0';
	*(strrchr(self, '/') != NULL ? strrchr(self, '/') + 1 : self) = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (snprintf(at.text, sizeof(at.text), "%s%s", self, places[i]) <
			    (int)sizeof(at.text) &&
		    access(at.text, X_OK) == 0)
			goto found;
	}
	snprintf(at.text, sizeof(at.text), "%s", VUS_LANE_PROGRAM);
	error = access(at.text, X_OK) == 0 ? 0 : -errno;
found:
	*path = at;
	return error;
}

/* It has been tried: closing one takes a look at each mapping of the process, of which a thousand ports have thousands. */
static atomic_bool uffd_works;

/* A userfaultfd as the lane will make it, with shared memory and huge pages, and at once closed again. */
static int try_uffd(struct fail *fail)
{
	const uint64_t needed = UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MISSING_HUGETLBFS;
	struct uffdio_api api = {.api = UFFD_API};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	int error;

	if (fd < 0 && errno == EPERM)
		return fail_set(fail, -EPERM,
				"userfaultfd(2) is forbidden to this process: allow it in the seccomp "
				"profile of its container or service");
	if (fd < 0)
		return fail_set(fail, -errno,
				"this kernel has no userfaultfd for user-mode faults: it takes Linux 5.11 "
				"with CONFIG_USERFAULTFD");
	error = ioctl(fd, UFFDIO_API, &api) != 0 ? -errno : 0;
	close(fd);
	if (error != 0 || (api.features & needed) != needed)
		return fail_set(fail, -EOPNOTSUPP,
				"this kernel's userfaultfd does not know shared memory and huge pages");
	atomic_store_explicit(&uffd_works, true, memory_order_relaxed);
	return 0;
}

int lane_program_possible(struct fail *fail)
{
	struct lane_program_path path;
	int error = lane_program_find(&path);

	if (error != 0)
		return fail_set(fail, error, "the program vuswitch-lane is not at %s: install it there",
				path.text);
	return atomic_load_explicit(&uffd_works, memory_order_relaxed) ? 0 : try_uffd(fail);
}
