/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdbool.h>

#include "vhu_front.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "disposal_private.h"
#include "fg_socket.h"
#include "loop_private.h"

static const uint64_t PATIENCE_NS = 10 * NS_PER_S, SILENCE_NS = 100 * NS_PER_MS;

void front_connect(struct front *front, struct loop *loop, const char *path)
{
	front->loop = loop;
	front->fd = fg_socket_connect(path, SOCK_NONBLOCK);
	assert_true(front->fd >= 0);
	front_settle(loop);
}

void front_hang_up(struct front *front)
{
	if (front->fd >= 0)
		close(front->fd);
	front->fd = -1;
	front_settle(front->loop);
}

/* A thread makes a call, or is about to. */
static bool is_busy(struct disposal *disposal)
{
	bool busy;

	pthread_mutex_lock(&disposal->lock);
	busy = disposal->due > 0 || disposal->threads > disposal->idle;
	pthread_mutex_unlock(&disposal->lock);
	return busy;
}

static uint64_t calls_made(struct disposal *disposal)
{
	const struct disposal_account *account;
	uint64_t n = 0;

	pthread_mutex_lock(&disposal->lock);
	LIST_FOREACH (account, &disposal->accounts, account_link)
		n += account->done;
	pthread_mutex_unlock(&disposal->lock);
	return n;
}

void front_settle(struct loop *loop)
{
	/* A call that the test has made to sleep is not waited for. */
	uint64_t deadline = clock_ns() + NS_PER_S;
	int quiet = 0;

	role_assert_control();
	while (quiet < 20) {
		uint64_t before = calls_made(loop->disposal);

		loop_turn(loop, 200 * NS_PER_US);
		if (calls_made(loop->disposal) != before || (is_busy(loop->disposal) && clock_ns() < deadline))
			quiet = 0;
		else
			quiet++;
	}
}

void front_send(struct front *front, uint32_t request, uint32_t flags, const void *payload,
		uint32_t size, const int *fds, unsigned int n_fds)
{
	struct vhu_header header = {request, flags != 0 ? flags : VHU_VERSION, size};
	size_t len = sizeof(header) + (payload != NULL ? size : 0);
	uint8_t message[sizeof(header) + UINT16_MAX];

	assert_true(len <= sizeof(message));
	memcpy(message, &header, sizeof(header));
	memcpy(message + sizeof(header), payload != NULL ? payload : message, len - sizeof(header));
	assert_true(fg_socket_send(front->fd, message, len, fds, n_fds) > 0);
}

static bool receive_exactly(struct front *front, void *to, size_t len, uint64_t patience_ns)
{
	uint64_t deadline = clock_ns() + patience_ns;
	uint8_t *at = to;

	role_assert_control();
	while (len > 0) {
		ssize_t n = recv(front->fd, at, len, MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno == ECONNRESET)) {
			close(front->fd);
			front->fd = -1;
			return false;
		}
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		} else if (clock_ns() > deadline) {
			return false;
		} else {
			loop_turn(front->loop, 500 * NS_PER_US);
		}
	}
	return true;
}

bool front_receive(struct front *front, struct vhu_message *msg)
{
	memset(msg, 0, sizeof(*msg));
	if (front->fd < 0 || !receive_exactly(front, &msg->header, sizeof(msg->header), PATIENCE_NS))
		return false;
	assert_int_equal(msg->header.flags, VHU_VERSION | VHU_FLAG_REPLY);
	assert_true(msg->header.size <= sizeof(msg->payload));
	return receive_exactly(front, &msg->payload, msg->header.size, PATIENCE_NS);
}

bool front_silent(struct front *front)
{
	uint8_t byte;

	return !receive_exactly(front, &byte, 1, SILENCE_NS) && front->fd >= 0;
}

bool front_closed(struct front *front)
{
	struct vhu_message msg;

	while (front_receive(front, &msg))
		;
	return front->fd < 0;
}

static uint64_t answer_to(struct front *front, uint32_t request)
{
	struct vhu_message msg;

	assert_true(front_receive(front, &msg));
	assert_int_equal(msg.header.request, request);
	assert_int_equal(msg.header.size, 8);
	return msg.payload.u64;
}

uint64_t front_get(struct front *front, uint32_t request)
{
	front_send(front, request, 0, NULL, 0, NULL, 0);
	return answer_to(front, request);
}

uint64_t front_set(struct front *front, uint32_t request, const void *payload, uint32_t size,
		   int fd)
{
	front_send(front, request, VHU_VERSION | VHU_FLAG_NEED_REPLY, payload, size, &fd,
		   fd >= 0 ? 1 : 0);
	return answer_to(front, request);
}

uint64_t front_set_u64(struct front *front, uint32_t request, uint64_t value, int fd)
{
	return front_set(front, request, &value, sizeof(value), fd);
}

uint64_t front_set_state(struct front *front, uint32_t request, uint32_t index, uint32_t num)
{
	const struct vhu_vring_state state = {index, num};

	return front_set(front, request, &state, sizeof(state), -1);
}

uint64_t front_region(struct front *front, uint32_t request,
		      const struct vhu_memory_region *region, int fd)
{
	const struct vhu_memory_single single = {.region = *region};

	return front_set(front, request, &single, sizeof(single), fd);
}

void front_negotiate(struct front *front)
{
	uint64_t features = front_get(front, VHU_GET_FEATURES);
	uint64_t protocol = front_get(front, VHU_GET_PROTOCOL_FEATURES);

	front_send(front, VHU_SET_PROTOCOL_FEATURES, 0, &protocol, 8, NULL, 0);
	front_send(front, VHU_SET_OWNER, 0, NULL, 0, NULL, 0);
	/* No migration is under way, and the rings are split. */
	features &= ~(UINT64_C(1) << VHU_F_LOG_ALL | UINT64_C(1) << VIRTIO_F_RING_PACKED);
	assert_int_equal(front_set_u64(front, VHU_SET_FEATURES, features, -1), 0);
}

int front_memory(void)
{
	int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, MEMORY_SIZE), 0);
	return fd;
}

static void send_eventfd(struct front *front, uint32_t request, unsigned int index)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(front_set_u64(front, request, index, fd), 0);
	close(fd);
}

void front_ring_but_kick(struct front *front, unsigned int index, uint16_t size, uint64_t uva)
{
	const struct vhu_vring_addr addr = {
		.index = index,
		.desc = uva,
		.avail = uva + 16u * size,
		.used = (uva + 16u * size + 6 + 2u * size + 3) & ~UINT64_C(3),
	};

	assert_int_equal(front_set_state(front, VHU_SET_VRING_NUM, index, size), 0);
	assert_int_equal(front_set_state(front, VHU_SET_VRING_BASE, index, 0), 0);
	assert_int_equal(front_set(front, VHU_SET_VRING_ADDR, &addr, sizeof(addr), -1), 0);
	send_eventfd(front, VHU_SET_VRING_CALL, index);
}

void front_ring(struct front *front, unsigned int index, uint16_t size, uint64_t uva)
{
	front_ring_but_kick(front, index, size, uva);
	send_eventfd(front, VHU_SET_VRING_KICK, index);
	assert_int_equal(front_set_state(front, VHU_SET_VRING_ENABLE, index, 1), 0);
}
