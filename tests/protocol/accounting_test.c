/* SPDX-License-Identifier: BSD-3-Clause */
/* "Nothing lost", exactly: E1 to E6 of the threat model, counted by the drivers' side and compared
 * with what the switch says of itself. There is no counter for anything else; any residue fails.
 *
 * Bridge br0 holds a, b and c; d is alone on br1; n and an ethdev that returns all it is given (a
 * ring) are on br2; nobody is ever connected to z on br3, where e is.
 */
#include "stage.h"

#include <errno.h>
#include <string.h>

enum { RX_REASONS = 6, TX_REASONS = 4 };

static const char *const rx_reasons[RX_REASONS] = {"short",  "long",	   "offload",
						   "source", "reflection", "alone"};
static const char *const tx_reasons[TX_REASONS] = {"not_ready", "no_buffer", "too_big", "broken"};

/* What the switch says of a port. */
struct account {
	int64_t rx_ok, copies, tx_ok, rx_drop[RX_REASONS], tx_drop[TX_REASONS];
};

static int64_t number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		fail_msg("no counter \"%s\"", key);
	return json_integer_value(value);
}

static void read_account(const char *port, struct account *a)
{
	json_t *answer = fg_switch_query(&stage.sw, "port", port);
	const json_t *at = json_object_get(answer, "port");
	const json_t *rx = json_object_get(at, "rx_drop"), *tx = json_object_get(at, "tx_drop");

	assert_non_null(at);
	/* A counter that is not in our list would be one to which things can be lost. */
	assert_int_equal(json_object_size(rx), RX_REASONS);
	assert_int_equal(json_object_size(tx), TX_REASONS);
	a->rx_ok = number(at, "rx_ok");
	a->copies = number(at, "copies");
	a->tx_ok = number(at, "tx_ok");
	for (int i = 0; i < RX_REASONS; i++)
		a->rx_drop[i] = number(rx, rx_reasons[i]);
	for (int i = 0; i < TX_REASONS; i++)
		a->tx_drop[i] = number(tx, tx_reasons[i]);
	json_decref(answer);
}

/* What happened to a port since @before. */
static struct account since(const char *port, const struct account *before)
{
	struct account a;

	read_account(port, &a);
	a.rx_ok -= before->rx_ok;
	a.copies -= before->copies;
	a.tx_ok -= before->tx_ok;
	for (int i = 0; i < RX_REASONS; i++)
		a.rx_drop[i] -= before->rx_drop[i];
	for (int i = 0; i < TX_REASONS; i++)
		a.tx_drop[i] -= before->tx_drop[i];
	return a;
}

static int64_t taken(const struct account *a)
{
	int64_t sum = a->rx_ok;

	for (int i = 0; i < RX_REASONS; i++)
		sum += a->rx_drop[i];
	return sum;
}

static int64_t given(const struct account *a)
{
	int64_t sum = a->tx_ok;

	for (int i = 0; i < TX_REASONS; i++)
		sum += a->tx_drop[i];
	return sum;
}

/* A counter may follow its frame by a moment: waits until @port has @want, and it must be exact. */
static void expect_account(const char *port, const struct account *before,
			   const struct account *want)
{
	int64_t deadline = fg_deadline(FG_WAIT_MS / 4);
	struct account got;

	do {
		got = since(port, before);
		if (memcmp(&got, want, sizeof(got)) == 0)
			return;
		fg_sleep_us(2000);
	} while (fg_left_ms(deadline) > 0);
	for (int i = 0; i < RX_REASONS; i++)
		if (got.rx_drop[i] != want->rx_drop[i])
			print_error("rx_drop.%s %d, not %d\n", rx_reasons[i], (int)got.rx_drop[i],
				    (int)want->rx_drop[i]);
	for (int i = 0; i < TX_REASONS; i++)
		if (got.tx_drop[i] != want->tx_drop[i])
			print_error("tx_drop.%s %d, not %d\n", tx_reasons[i], (int)got.tx_drop[i],
				    (int)want->tx_drop[i]);
	fail_msg("%s: rx_ok %d (%d) copies %d (%d) tx_ok %d (%d)", port, (int)got.rx_ok,
		 (int)want->rx_ok, (int)got.copies, (int)want->copies, (int)got.tx_ok,
		 (int)want->tx_ok);
}

static void send_raw(struct guest *g, const uint8_t dst[6], const uint8_t src[6], unsigned int n,
		     size_t len)
{
	static uint8_t frame[FG_FRAME_MAX + 64];

	memset(frame, 0, sizeof(frame));
	memcpy(frame, dst, 6);
	memcpy(frame + 6, src, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	for (unsigned int i = 0; i < n; i++) {
		OK(fg_nic_send(&g->nic, frame, len, NULL));
		OK(fg_nic_drain_tx(&g->nic, FG_WAIT_MS));
	}
}

static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* Each reason to refuse a frame at its entry, 7 times each. */
static void every_drop_at_the_entry_has_its_name(void **state)
{
	static const uint8_t zero[6], group[6] = {0x01, 0, 0x5e, 0, 0, 1};
	struct guest *a = guest_open("a", NULL);
	struct guest *b = guest_run("b", NULL);
	struct guest *d = guest_run("d", NULL);
	struct account before;
	uint8_t *header;

	(void)state;
	guest_start(a, &(struct fg_nic_options){.tx_size = 65600, .depth = 16, .region = -1});
	settle(a, b);
	read_account("a", &before);
	send_raw(a, b->nic.mac, a->nic.mac, 7, 13);
	expect_account("a", &before, &(struct account){.rx_drop[0] = 7});
	read_account("a", &before);
	send_raw(a, b->nic.mac, a->nic.mac, 7, 65535 + 14 + 8 + 1);
	expect_account("a", &before, &(struct account){.rx_drop[1] = 7});
	read_account("a", &before);
	for (unsigned int i = 0; i < 7; i++) { /* needs a checksum, which nobody agreed to */
		header = fg_memory_ptr(&a->mem, a->nic.tx_gpa[a->nic.tx_next], 12);
		OK(fg_nic_queue(&a->nic, header, 100, NULL));
		header[0] = 1;
		fg_nic_flush(&a->nic);
		OK(fg_nic_drain_tx(&a->nic, FG_WAIT_MS));
	}
	expect_account("a", &before, &(struct account){.rx_drop[2] = 7});
	read_account("a", &before);
	send_raw(a, b->nic.mac, zero, 3, 100);
	send_raw(a, b->nic.mac, group, 4, 100);
	expect_account("a", &before, &(struct account){.rx_drop[3] = 7});
	read_account("a", &before);
	send_raw(a, a->nic.mac, a->nic.mac, 7, 100);
	expect_account("a", &before, &(struct account){.rx_drop[4] = 7});
	read_account("d", &before);
	send_raw(d, everybody, d->nic.mac, 7, 100);
	expect_account("d", &before, &(struct account){.rx_drop[5] = 7});
	assert_silence(b);
}

/* Each reason to fail at the exit: the frame was accepted, and is counted where it was to go. */
static void every_drop_at_the_exit_has_its_name(void **state)
{
	const struct fg_options plain = {.features = FG_F_VERSION_1 | FG_F_PROTOCOL};
	struct guest *a = guest_open("a", NULL);
	struct guest *e = guest_run("e", NULL);
	struct guest *b = guest_open("b", &plain);
	struct account a0, b0, z0;

	(void)state;
	guest_start(a, &(struct fg_nic_options){.tx_size = 9100, .depth = 16, .region = -1});
	read_account("z", &z0); /* on br3 with e, and nobody there */
	send_raw(e, everybody, e->nic.mac, 7, 100);
	expect_account("z", &z0, &(struct account){.tx_drop[0] = 7});

	guest_start(b, &(struct fg_nic_options){.rx_size = 1526, .depth = 2, .region = -1});
	settle(b, a);
	read_account("b", &b0);
	send_raw(a, b->nic.mac, a->nic.mac, 7, 9000);
	expect_account("b", &b0, &(struct account){.tx_drop[2] = 7});
	read_account("a", &a0);
	read_account("b", &b0);
	send_raw(a, b->nic.mac, a->nic.mac, 9, 100); /* two buffers, nine frames */
	expect_account("a", &a0, &(struct account){.rx_ok = 9});
	expect_account("b", &b0, &(struct account){.tx_ok = 2, .tx_drop[1] = 7});
	read_account("b", &b0);
	fg_ring_avail(b->nic.rx, 0xffff);
	send_raw(a, b->nic.mac, a->nic.mac, 7, 100);
	assert_true(fg_ring_error(b->nic.rx, FG_WAIT_MS));
	expect_account("b", &b0, &(struct account){.tx_drop[3] = 7});
}

/* A frame to everybody counts once where it came from, and its further copies there too. */
static void copies_are_counted(void **state)
{
	struct guest *a = guest_run("a", NULL);
	struct guest *b = guest_run("b", NULL);
	struct guest *c = guest_run("c", NULL);
	struct account a0, b0, c0;
	uint8_t got[2048];

	(void)state;
	read_account("a", &a0);
	read_account("b", &b0);
	read_account("c", &c0);
	send_raw(a, everybody, a->nic.mac, 20, 300);
	expect_account("a", &a0, &(struct account){.rx_ok = 20, .copies = 20});
	expect_account("b", &b0, &(struct account){.tx_ok = 20});
	expect_account("c", &c0, &(struct account){.tx_ok = 20});
	for (unsigned int i = 0; i < 20; i++) {
		assert_int_equal(fg_nic_recv(&b->nic, got, sizeof(got), FG_WAIT_MS), 300);
		assert_int_equal(fg_nic_recv(&c->nic, got, sizeof(got), FG_WAIT_MS), 300);
	}
	assert_silence(b);
	assert_silence(c);
}

/* The three of br0 in a crowd of frames of every kind; receivers that cannot keep up. */
struct crowd {
	struct guest *g[3];
	struct account before[3];
	uint64_t sent[3], got[3];
	struct fg_flow flow[3][3]; /* from, to */
	uint32_t seed;
};

static uint32_t dice(struct crowd *w, uint32_t sides)
{
	w->seed = w->seed * 1664525 + 1013904223;
	return (w->seed >> 8) % sides;
}

static void crowd_receive(struct crowd *w, unsigned int to)
{
	static uint8_t got[FG_FRAME_MAX];
	int len;

	while ((len = fg_nic_recv(&w->g[to]->nic, got, sizeof(got), 0)) > 0) {
		w->got[to]++;
		for (unsigned int from = 0; from < 3; from++)
			if (fg_flow_check(&w->flow[from][to], got, (size_t)len))
				break;
	}
	assert_int_equal(len, -ETIMEDOUT);
}

static void crowd_send(struct crowd *w)
{
	static uint8_t frame[2048];
	unsigned int from = dice(w, 3), to = dice(w, 3), kind = dice(w, 20);
	struct fg_nic *nic = &w->g[from]->nic;
	size_t len = 60 + dice(w, 1455);

	OK(fg_nic_reap(nic));
	if (!fg_nic_room(nic, 2)) {
		fg_nic_flush(nic);
		return;
	}
	memset(frame, 0, sizeof(frame));
	memcpy(frame, w->g[to]->nic.mac, 6);
	memcpy(frame + 6, nic->mac, 6);
	if (kind == 0) /* to everybody */
		memcpy(frame, everybody, 6);
	else if (kind == 1) /* to nobody known */
		frame[5] ^= 0x80;
	else if (kind == 2) /* too short */
		len = 1 + dice(w, 13);
	else if (kind == 3) /* from nobody */
		memset(frame + 6, 0, 6);
	else if (from != to)
		fg_flow_build(&w->flow[from][to], w->g[to]->nic.mac, nic->mac, frame, len);
	OK(fg_nic_queue(nic, frame, len, dice(w, 2) ? &fg_layout_one : NULL));
	w->sent[from]++;
	if (dice(w, 8) == 0)
		fg_nic_flush(nic);
}

static void crowd_settle_accounts(struct crowd *w)
{
	static const char *const names[] = {"a", "b", "c"};
	int64_t accepted = 0, delivered = 0;

	for (unsigned int i = 0; i < 3; i++) {
		struct account now;
		int64_t deadline = fg_deadline(FG_WAIT_MS / 4);

		do {
			now = since(names[i], &w->before[i]);
		} while (taken(&now) < (int64_t)w->sent[i] && fg_left_ms(deadline) > 0);
		assert_int_equal(taken(&now), w->sent[i]); /* E1 */
		assert_int_equal(w->g[i]->nic.returned, w->g[i]->nic.sent);
		assert_int_equal(now.tx_ok, w->got[i]);
		accepted += now.rx_ok + now.copies;
		delivered += given(&now);
		print_message("%s: %d taken, %d accepted, %d delivered of %d\n", names[i],
			      (int)taken(&now), (int)now.rx_ok, (int)now.tx_ok, (int)given(&now));
	}
	assert_int_equal(accepted, delivered); /* E2 */
}

/* E1, E2, E6. */
static void the_sums_agree_in_a_crowd(void **state)
{
	static const char *const names[] = {"a", "b", "c"};
	static struct crowd w;
	struct fg_nic_options opt = {.depth = 100, .region = -1};

	(void)state;
	memset(&w, 0, sizeof(w));
	for (unsigned int i = 0; i < 3; i++) {
		w.g[i] = guest_open(names[i], NULL);
		opt.depth = (uint16_t)(100 - 40 * i); /* b and c are often full */
		guest_start(w.g[i], &opt);
	}
	for (unsigned int i = 0; i < 3; i++) {
		settle(w.g[i], w.g[(i + 1) % 3]);
		for (unsigned int k = 0; k < 3; k++)
			w.flow[i][k].id = 30 + 3 * i + k;
	}
	fg_sleep_us(10000);
	for (unsigned int i = 0; i < 3; i++) {
		crowd_receive(&w, i); /* what settling flooded */
		w.got[i] = 0;
		read_account(names[i], &w.before[i]);
	}
	for (unsigned int i = 0; i < 60000; i++) {
		crowd_send(&w);
		if (dice(&w, 40) == 0)
			crowd_receive(&w, dice(&w, 3));
	}
	for (unsigned int i = 0; i < 3; i++) {
		fg_nic_flush(&w.g[i]->nic);
		OK(fg_nic_drain_tx(&w.g[i]->nic, FG_WAIT_MS));
	}
	fg_sleep_us(20000);
	for (unsigned int i = 0; i < 3; i++)
		crowd_receive(&w, i);
	for (unsigned int i = 0; i < 9; i++) {
		const struct fg_flow *f = &w.flow[i / 3][i % 3];

		assert_int_equal(f->duplicate + f->reordered + f->damaged, 0);
	}
	crowd_settle_accounts(&w);
}

/* E3, E4, E6. Frames through an ethdev that hands them all back: every byte returns, and so does
 * every mbuf. */
static void every_buffer_of_an_uplink_returns(void **state)
{
	struct guest *n = guest_run("n", NULL);
	struct fg_flow flow = {.id = 40};
	static const uint8_t stranger[6] = {0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee};
	int64_t at_start = fg_counter(&stage.sw, "up", "buffers_free");
	struct account n0, up0, n1, up1;
	uint8_t frame[1514], got[2048];

	(void)state;
	assert_true(at_start > 0);
	read_account("n", &n0);
	read_account("up", &up0);
	for (unsigned int i = 0; i < 5000; i++) {
		size_t len = 60 + i % 1455;
		int back;

		fg_flow_build(&flow, stranger, n->nic.mac, frame, len);
		OK(fg_nic_send(&n->nic, frame, len, i % 2 ? NULL : &fg_layout_one));
		back = fg_nic_recv(&n->nic, got, sizeof(got), FG_WAIT_MS);
		if (back != (int)len || !fg_flow_check(&flow, got, (size_t)back))
			fail_msg("frame %u: %d bytes came back for %zu", i, back, len);
		OK(fg_nic_drain_tx(&n->nic, FG_WAIT_MS));
	}
	assert_true(fg_flow_whole(&flow));
	fg_sleep_us(20000);
	n1 = since("n", &n0);
	up1 = since("up", &up0);
	assert_int_equal(taken(&n1), 5000);
	assert_int_equal(n1.tx_ok, 5000);
	assert_int_equal(up1.tx_ok, 5000);
	assert_int_equal(taken(&up1), 5000);
	assert_int_equal(n1.rx_ok + n1.copies + up1.rx_ok + up1.copies, given(&n1) + given(&up1));
	assert_int_equal(fg_counter(&stage.sw, "up", "buffers_free"), at_start); /* E4 */
}

/* E5. Guests come and go: descriptors, mappings and threads as at the start, memory within a MiB.
 */
static void nothing_is_left_of_a_hundred_guests(void **state)
{
	struct fg_usage after;

	(void)state;
	for (unsigned int i = 0; i < 110; i++) {
		struct guest *a, *b;

		if (i == 10) /* by now every lazy table is there */
			OK(fg_switch_usage(&stage.sw, &stage.before));
		a = guest_run("a", NULL);
		b = guest_run("b", NULL);
		assert_traffic(a, b, 2, 300);
		guest_close(a);
		guest_close(b);
		if (i == 9)
			assert_nothing_held();
	}
	assert_held_as(&stage.before, 0);
	OK(fg_switch_usage(&stage.sw, &after));
	assert_int_equal(after.threads, stage.before.threads);
}

int main(void)
{
	static const char *const ports[] = {
		"a", "b", "c", "d,bridge=br1", "n,bridge=br2", "e,bridge=br3", "z,bridge=br3",
		NULL};
	static const char *const args[] = {"--ethdev", "up=net_ring0,bridge=br2", NULL};
	static const char *const eal[] = {"--vdev", "net_ring0", NULL};
	const struct fg_switch_options opt = {.ports = ports, .args = args, .eal = eal};
	const struct CMUnitTest stories[] = {
		STORY(every_drop_at_the_entry_has_its_name),
		STORY(every_drop_at_the_exit_has_its_name),
		STORY(copies_are_counted),
		STORY(the_sums_agree_in_a_crowd),
		STORY(every_buffer_of_an_uplink_returns),
		STORY(nothing_is_left_of_a_hundred_guests),
	};

	return stage_main_on(&opt, "accounting", stories, sizeof(stories) / sizeof(stories[0]));
}
