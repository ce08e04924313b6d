/* SPDX-License-Identifier: BSD-3-Clause */
/* Front ends that are not QEMU, in their order of messages: cloud-hypervisor, libkrun, crosvm. All three are built on
 * rust-vmm's vhost library, or on a fork of it. What is played here was read in their sources.
 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MIB = 1 << 20, REGIONS = 10, CTRL_VQ = 17, ANNOUNCE = 21 };

#define WITH_CONTROL_QUEUE (1ull << CTRL_VQ | 1ull << ANNOUNCE | FG_F_MQ)

/* Memory and rings of @pairs queue pairs, and a connection on which nothing has been said. */
static struct guest *begin(const char *port, unsigned int pairs)
{
	struct guest *g = guest_idle();

	snprintf(g->port, sizeof(g->port), "%s", port);
	g->s.sock = fg_wire_connect(fg_switch_socket(&fixture.sw, port), FG_WAIT_MS);
	assert_true(g->s.sock >= 0);
	g->s.mem = &g->mem;
	g->s.opt = (struct fg_options){.pairs = pairs, .ring_size = 256};
	for (g->s.n_rings = 0; g->s.n_rings < 2 * pairs; g->s.n_rings++)
		OK(fg_ring_init(&g->s.ring[g->s.n_rings], &g->mem, 0, 256));
	return g;
}

/* Agrees to what is offered of @features and @protocol; whether the offer is asked for is the front end's quirk. */
static void agree(struct guest *g, uint64_t features, uint64_t protocol, bool ask_protocol)
{
	OK(fg_ask_u64(&g->s, FG_GET_FEATURES, &g->s.offered));
	g->s.features = g->s.offered & features;
	if (ask_protocol)
		OK(fg_ask_u64(&g->s, FG_GET_PROTOCOL_FEATURES, &g->s.offered_protocol));
	g->s.protocol = g->s.offered_protocol & protocol;
	OK(fg_request_u64(&g->s, FG_SET_PROTOCOL_FEATURES, g->s.protocol));
}

/* The guest's driver begins anew with empty rings. */
static void fresh_rings(struct guest *g)
{
	for (unsigned int i = 0; i < g->s.n_rings; i++) {
		g->s.ring[i].packed = false;
		fg_ring_reset(&g->s.ring[i], (g->s.features & FG_F_EVENT_IDX) != 0);
		g->s.ring[i].in_order = (g->s.features & FG_F_IN_ORDER) != 0;
	}
}

static void driver_runs(struct guest *g)
{
	static uint32_t serial = 0x300;

	OK(fg_nic_init(&g->nic, &g->s, 0, ++serial, NULL));
	OK(fg_nic_fill(&g->nic));
}

static void enable_all(struct guest *g, bool on)
{
	for (unsigned int i = 0; i < g->s.n_rings; i++)
		OK(fg_enable_ring(&g->s, i, on));
}

/* --- cloud-hypervisor ------------------------------------------------------------------------------------------- */

static const uint64_t HYPERVISOR = FG_F_VERSION_1 | FG_F_MRG_RXBUF | FG_F_EVENT_IDX | FG_F_PROTOCOL | FG_F_CSUM |
				   FG_F_GUEST_CSUM | FG_F_MTU | WITH_CONTROL_QUEUE;
static const uint64_t HYPERVISOR_PROTOCOL = FG_P_MQ | FG_P_REPLY_ACK | FG_P_MEM_SLOTS | FG_P_INFLIGHT | FG_P_LOG_SHMFD;

/* It compares the answer with its num_queues and refuses the port itself. */
static void hypervisor_negotiates(struct guest *g, unsigned int rings)
{
	uint64_t queues;

	OK(fg_request_none(&g->s, FG_SET_OWNER));
	agree(g, HYPERVISOR, HYPERVISOR_PROTOCOL, true);
	OK(fg_ask_u64(&g->s, FG_GET_QUEUE_NUM, &queues));
	assert_int_equal(queues, rings);
}

/* At the guest's first start, after a reset and after a lost connection alike. */
static void hypervisor_activates(struct guest *g, bool fresh)
{
	OK(fg_request_u64(&g->s, FG_SET_FEATURES, g->s.features));
	OK(fg_send_memory_table(&g->s));
	for (unsigned int i = 0; i < g->s.n_rings; i++)
		OK(fg_request_state(&g->s, FG_SET_VRING_NUM, i, 256));
	for (unsigned int i = 0; i < g->s.n_rings; i++) {
		OK(fg_send_addr(&g->s, i));
		/* The available index, where the guest has put buffers: those in use are not done yet. */
		OK(fg_request_state(&g->s, FG_SET_VRING_BASE, i,
				    fresh ? 0 : *(uint16_t *)fg_memory_ptr(&g->mem, g->s.ring[i].avail_gpa + 2, 2)));
		OK(fg_send_call(&g->s, i));
		OK(fg_send_kick(&g->s, i));
	}
	enable_all(g, true);
}

static void hypervisor_hot_adds(struct guest *g)
{
	for (unsigned int i = 1; i < REGIONS; i++) {
		assert_int_equal(fg_memory_add(&g->mem, GUEST_GPA + i * 64ull * MIB, 2 * MIB), i);
		OK(fg_add_region(&g->s, i));
	}
}

/* To the peer out of the last pair, and, with one pair, back: with more the switch spreads flows over all of them. */
static void assert_runs(struct guest *g, struct guest *peer, size_t len)
{
	struct fg_nic first = g->nic;

	OK(fg_nic_init(&g->nic, &g->s, g->s.n_rings / 2 - 1, 0x900, NULL));
	assert_traffic(g, peer, 100, len);
	g->nic = first;
	assert_traffic(g, peer, 100, len);
	if (g->s.n_rings == 2)
		assert_traffic(peer, g, 100, len);
}

static void a_hypervisor_runs(const char *port, unsigned int pairs)
{
	struct guest *peer = guest_run("peer", NULL);
	struct guest *g = begin(port, pairs);

	hypervisor_negotiates(g, 2 * pairs);
	/* What Linux would refuse: one of these without the control queue. */
	assert_int_equal(g->s.features & WITH_CONTROL_QUEUE, WITH_CONTROL_QUEUE);
	fresh_rings(g);
	hypervisor_activates(g, true);
	driver_runs(g);
	assert_runs(g, peer, 300);
	hypervisor_hot_adds(g);
	assert_runs(g, peer, 1400);
	/* The guest reboots: ten regions in one table. */
	enable_all(g, false);
	fresh_rings(g);
	hypervisor_activates(g, true);
	driver_runs(g);
	assert_runs(g, peer, 300);
}

static void a_hypervisor_with_one_pair(void **state)
{
	a_hypervisor_runs("one", 1);
}

static void a_hypervisor_with_two_pairs(void **state)
{
	a_hypervisor_runs("two", 2);
}

/* It is told how many there are, and one that insists is refused ring by ring, while the others run. */
static void a_hypervisor_with_a_pair_too_many(void **state)
{
	struct guest *peer = guest_run("peer", NULL);
	struct guest *g = begin("one", 2);

	hypervisor_negotiates(g, 2);
	OK(fg_request_u64(&g->s, FG_SET_FEATURES, g->s.features));
	assert_no(verdict_of_state(&g->s, FG_SET_VRING_NUM, 2, 256), "a ring of a second pair");
	assert_no(verdict_of_state(&g->s, FG_SET_VRING_ENABLE, 3, 1), "a ring of a second pair");
	g->s.n_rings = 2;
	fresh_rings(g);
	hypervisor_activates(g, true);
	driver_runs(g);
	assert_traffic(g, peer, 50, 300);
}

/* The connection is lost and found again: no question of what is offered, the whole table, and the available index as base. */
static void a_hypervisor_comes_back(void **state)
{
	struct guest *peer = guest_run("peer", NULL);
	struct guest *g = begin("one", 1);

	hypervisor_negotiates(g, 2);
	fresh_rings(g);
	hypervisor_activates(g, true);
	driver_runs(g);
	hypervisor_hot_adds(g);
	assert_traffic(g, peer, 300, 300);
	for (unsigned int round = 0; round < 3; round++) {
		fg_session_drop(&g->s);
		g->s.protocol = 0;
		g->s.sock = fg_wire_connect(fg_switch_socket(&fixture.sw, "one"), FG_WAIT_MS);
		assert_true(g->s.sock >= 0);
		OK(fg_request_none(&g->s, FG_SET_OWNER));
		agree(g, HYPERVISOR, HYPERVISOR_PROTOCOL, false);
		hypervisor_activates(g, false);
		assert_traffic(g, peer, 100, 300);
		assert_traffic(peer, g, 100, 300);
	}
}

/* --- libkrun and crosvm ----------------------------------------------------------------------------------------- */

static const uint64_t LIBKRUN = FG_F_VERSION_1 | FG_F_MRG_RXBUF | FG_F_EVENT_IDX | FG_F_PROTOCOL | FG_F_CSUM |
				FG_F_PACKED | FG_F_MTU | WITH_CONTROL_QUEUE;

static void libkrun_activates(struct guest *g, uint64_t features)
{
	g->s.features = features;
	fresh_rings(g);
	OK(fg_request_none(&g->s, FG_SET_OWNER));
	OK(fg_send_memory_table(&g->s));
	OK(fg_request_u64(&g->s, FG_SET_FEATURES, features));
	for (unsigned int i = 0; i < g->s.n_rings; i++) {
		OK(fg_request_state(&g->s, FG_SET_VRING_NUM, i, 256));
		OK(fg_request_state(&g->s, FG_SET_VRING_BASE, i, 0));
		OK(fg_send_addr(&g->s, i));
		OK(fg_send_kick(&g->s, i));
		OK(fg_send_call(&g->s, i));
		OK(fg_enable_ring(&g->s, i, true));
	}
	OK(fg_barrier(&g->s));
	driver_runs(g);
}

/* It makes as many rings as there are, hands all of them over, asks for no acknowledgement, and resets by disabling. */
static void libkrun_runs_and_resets(void **state)
{
	struct guest *peer = guest_run("peer", NULL);
	struct guest *g = begin("krun", 1);
	uint64_t queues;

	agree(g, LIBKRUN, FG_P_MQ, true);
	assert_int_equal(g->s.features & (WITH_CONTROL_QUEUE | FG_F_MTU | FG_F_PACKED), 0);
	OK(fg_ask_u64(&g->s, FG_GET_QUEUE_NUM, &queues));
	assert_int_equal(queues, 2);
	libkrun_activates(g, g->s.features);
	assert_traffic(g, peer, 100, 300);
	for (unsigned int round = 0; round < 3; round++) {
		/* The firmware's driver, then the kernel's, which knows more. */
		uint64_t fewer = g->s.offered & (FG_F_VERSION_1 | FG_F_PROTOCOL);

		enable_all(g, false);
		libkrun_activates(g, round % 2 == 0 ? fewer : g->s.offered & LIBKRUN);
		assert_traffic(g, peer, 100, 300);
		assert_traffic(peer, g, 100, 300);
	}
}

/* It reads the configuration space without having agreed to that: answered, by nothing, and the guest goes on. */
static void crosvm_asks_for_the_configuration(void **state)
{
	struct guest *peer = guest_run("peer", NULL);
	struct guest *g = begin("krun", 1);
	struct fg_msg m = {.request = FG_GET_CONFIG, .flags = FG_VERSION, .size = 12 + 2};
	struct fg_msg answer;

	agree(g, LIBKRUN, FG_P_MQ | FG_P_REPLY_ACK, true);
	libkrun_activates(g, g->s.features);
	for (unsigned int i = 0; i < 20; i++) {
		OK(fg_wire_send(g->s.sock, &m, NULL, 0));
		OK(fg_wire_recv(g->s.sock, &answer, NULL, FG_WAIT_MS));
		assert_int_equal(answer.request, FG_GET_CONFIG);
		assert_int_equal(answer.flags, FG_VERSION | FG_REPLY);
		assert_int_equal(answer.size, 0);
	}
	assert_traffic(g, peer, 100, 300);
}

int main(void)
{
	static const char *const ports[] = {"peer", "one", "two,queues=2", "krun,control-queue=off", NULL};
	const struct fg_switch_options opt = {.ports = ports};
	const struct CMUnitTest cases[] = {
		TEST_CASE(a_hypervisor_with_one_pair),	TEST_CASE(a_hypervisor_with_two_pairs),
		TEST_CASE(a_hypervisor_with_a_pair_too_many), TEST_CASE(a_hypervisor_comes_back),
		TEST_CASE(libkrun_runs_and_resets),		TEST_CASE(crosvm_asks_for_the_configuration),
	};

	return fixture_main_on(&opt, "frontend", CASES(cases));
}
