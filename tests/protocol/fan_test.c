/* SPDX-License-Identifier: BSD-3-Clause */
/* Bursts for many receivers in turn, of whose rings is fetched ahead what a delivery will touch: they start their rings anew,
 * with other sizes and formats, hang up and come back, and write noise into what is fetched. Each frame is accounted for once,
 * and two victims on another bridge lose nothing. It guards what held before anything was fetched ahead, too.
 */
#include <string.h>

#include "account.h"
#include "dice.h"

enum { RECEIVERS = 12, BURST = 32, ROUNDS = 400 };

static const char *const ports[] = {
	"v0", "v1", "s,bridge=br1", "r0,bridge=br1", "r1,bridge=br1", "r2,bridge=br1", "r3,bridge=br1", "r4,bridge=br1",
	"r5,bridge=br1", "r6,bridge=br1", "r7,bridge=br1", "r8,bridge=br1", "r9,bridge=br1", "r10,bridge=br1", "r11,bridge=br1",
	NULL,
};
static const struct fg_switch_options fan_fixture = {.ports = ports};

static struct guest *sender, *receiver[RECEIVERS];

static const char *name_of(unsigned int i)
{
	static char name[16];

	snprintf(name, sizeof(name), "r%u", i);
	return name;
}

/* Any format, and rings from a few descriptors on; its address is known as soon as the switch has looked. */
static void join(unsigned int i)
{
	struct fg_options opt = {.features = FG_FEATURES_DEFAULT};
	uint8_t frame[60] = {0};

	opt.ring_size = (uint16_t)(4 << dice(7));
	if (dice(2) == 0)
		opt.features |= FG_F_PACKED;
	receiver[i] = guest_run(name_of(i), &opt);
	memcpy(frame, sender->nic.mac, 6);
	memcpy(frame + 6, receiver[i]->nic.mac, 6);
	OK(fg_nic_send(&receiver[i]->nic, frame, sizeof(frame), NULL));
}

/* A frame or more for each receiver in turn. */
static unsigned int send_burst(void)
{
	uint8_t frame[60] = {0};
	unsigned int n = 0, first = dice(RECEIVERS);

	memcpy(frame + 6, sender->nic.mac, 6);
	for (; n < BURST && fg_nic_room(&sender->nic, 1); n++) {
		memcpy(frame, receiver[(first + n) % RECEIVERS]->nic.mac, 6);
		OK(fg_nic_queue(&sender->nic, frame, sizeof(frame), NULL));
	}
	fg_nic_flush(&sender->nic);
	return n;
}

/* The ring may break by it, and is started anew later. */
static void scribble(struct fg_ring *ring)
{
	uint8_t *desc = (uint8_t *)ring->desc;

	for (unsigned int i = 0; i < 16u * ring->num; i++)
		desc[i] = (uint8_t)(dice(3) == 0 ? 0xff : dice(256));
	for (unsigned int i = 0; i < ring->num && !ring->packed; i++)
		((uint16_t *)(void *)ring->avail)[2 + i] = (uint16_t)dice(65536);
}

static void drain(struct guest *g)
{
	uint8_t frame[2048];

	while (fg_nic_recv(&g->nic, frame, sizeof(frame), 0) > 0)
		;
}

static void something_happens(unsigned int i)
{
	switch (dice(4)) {
	case 0:
		guest_close(receiver[i]);
		join(i);
		break;
	case 1:
		guest_restart(receiver[i]);
		break;
	case 2:
		scribble(receiver[i]->nic.rx);
		send_burst();
		fg_sleep_us(200);
		guest_close(receiver[i]);
		join(i);
		break;
	default:
		drain(receiver[i]);
		break;
	}
}

static void read_all(struct account accounts[RECEIVERS + 1])
{
	read_account("s", &accounts[RECEIVERS]);
	for (unsigned int i = 0; i < RECEIVERS; i++)
		read_account(name_of(i), &accounts[i]);
}

/* What came from all of them, with copies, is what was given to all of them. */
static void expect_balance(const struct account before[RECEIVERS + 1])
{
	int64_t deadline = fg_deadline(FG_WAIT_MS), came, went;

	do {
		came = went = 0;
		for (unsigned int i = 0; i <= RECEIVERS; i++) {
			struct account a = since(i == RECEIVERS ? "s" : name_of(i), &before[i]);

			came += a.rx_ok + a.copies;
			went += given(&a);
		}
	} while (came != went && fg_left_ms(deadline) > 0);
	assert_int_equal(came, went);
	assert_true(came > ROUNDS);
}

static void receivers_begin_anew_and_write_noise(void **state)
{
	struct account before[RECEIVERS + 1];
	static struct fg_victims victims;

	dice_seed(5);
	OK(fg_victims_start(&victims, &fixture.sw, "v0", "v1"));
	OK(fg_victims_run(&victims));
	read_all(before);
	sender = guest_run("s", NULL);
	for (unsigned int i = 0; i < RECEIVERS; i++)
		join(i);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int burst = dice(6); burst > 0; burst--)
			send_burst();
		something_happens(dice(RECEIVERS));
		drain(sender);
		OK(fg_nic_drain_tx(&sender->nic, FG_WAIT_MS));
	}
	expect_balance(before);
	OK(fg_victims_pause(&victims));
	assert_true(victims.frames > 0);
	fg_victims_stop(&victims);
	for (unsigned int i = 0; i < RECEIVERS; i++)
		guest_close(receiver[i]);
	guest_close(sender);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		TEST_CASE(receivers_begin_anew_and_write_noise),
	};

	return fixture_main_on(&fan_fixture, "fan", CASES(cases));
}
