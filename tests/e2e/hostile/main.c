/* SPDX-License-Identifier: BSD-3-Clause */
/* hostile_guest: a guest that drives its virtio-net card itself, as no driver would.
 *
 *	hostile_guest list                      the cases: name, formats (1 split, 2 packed), what is expected of the switch
 *	hostile_guest play NAME split|packed    plays one and leaves the card as it is then
 *	hostile_guest revive split|packed       resets the card, sends a frame and waits for its echo
 *
 * Static: it runs in an initramfs, as root. For test_hostile.py, which looks at the switch meanwhile.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "play.h"

static const struct hostile_case *const tables[] = {chain_cases, table_cases, lie_cases,
						    shape_cases, act_cases,   race_cases};

enum { TABLES = sizeof(tables) / sizeof(tables[0]), RX_POSTED = 250, ECHO_MS = 8000, AGAIN_MS = 100 };

static const uint8_t mac_echo[6] = {0x02, 0xf6, 0, 0, 0xec, 0}, mac_here[6] = {0x52, 0x54, 0, 0, 0, 0x0a};

static const uint64_t USUAL = FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC) |
			      FEATURE(VIRTIO_NET_F_MRG_RXBUF) | FEATURE(VIRTIO_NET_F_MAC);

void stage_set(struct play *play, uint64_t with, uint64_t without)
{
	uint64_t features = (USUAL | with) & ~without;

	if (play->packed)
		features |= FEATURE(VIRTIO_F_RING_PACKED);
	device_reset(&play->device);
	if ((features & ~device_offers(&play->device)) != 0) {
		printf("gave up: the card does not offer %#llx\n",
		       (unsigned long long)(features & ~device_offers(&play->device)));
		exit(1);
	}
	if (!device_agree(&play->device, features)) {
		printf("gave up: the card does not agree\n");
		exit(1);
	}
	ring_init(&play->rx, &play->device, 0, RING_SIZE, play->packed);
	ring_init(&play->tx, &play->device, 1, RING_SIZE, play->packed);
	memset(memory_at(RX_BUFFERS), 0, (size_t)RING_SIZE * RX_STRIDE);
	frame_build();
}

void stage_run(struct play *play)
{
	ring_enable(&play->rx);
	ring_enable(&play->tx);
	device_run(&play->device);
	ring_post(&play->rx, RX_POSTED);
}

/* Destination, source, a type for experiments, a number. */
void frame_build(void)
{
	uint8_t *at = memory_at(BUFFER);
	struct timespec now;
	uint64_t number;

	clock_gettime(CLOCK_MONOTONIC, &now);
	number = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	memset(at, 0, 65536 * 2);
	at += HEADER_LEN;
	memcpy(at, mac_echo, 6);
	memcpy(at + 6, mac_here, 6);
	at[12] = 0x88;
	at[13] = 0xb5;
	memcpy(at + 14, &number, sizeof(number));
}

bool frame_echoed(struct play *play)
{
	const uint8_t *sent = (uint8_t *)memory_at(BUFFER) + HEADER_LEN;

	for (int ms = 0; ms < ECHO_MS; ms++) {
		if (ms % AGAIN_MS == 0) {
			ring_put(&play->tx, 0, (struct desc){BUFFER, HEADER_LEN + FRAME_LEN, 0, 0});
			ring_offer(&play->tx, 1);
		}
		for (int i = 0; i < RX_POSTED; i++) {
			const uint8_t *at = (uint8_t *)memory_at(RX_BUFFERS + (uint64_t)i * RX_STRIDE) + HEADER_LEN;

			if (memcmp(at + 6, mac_echo, 6) == 0 && memcmp(at + 12, sent + 12, 10) == 0)
				return true;
		}
		wait_ms(1);
	}
	return false;
}

static void list(void)
{
	for (int t = 0; t < TABLES; t++)
		for (const struct hostile_case *c = tables[t]; c->name != NULL; c++)
			printf("%s\t%u\t%s\n", c->name, c->formats, c->expect);
}

static const struct hostile_case *case_named(const char *name)
{
	for (int t = 0; t < TABLES; t++)
		for (const struct hostile_case *c = tables[t]; c->name != NULL; c++)
			if (strcmp(c->name, name) == 0)
				return c;
	printf("gave up: no case %s\n", name);
	exit(2);
}

static int play_one(struct play *play, const char *name)
{
	const struct hostile_case *c = case_named(name);

	stage_set(play, c->with, c->without);
	if (!c->bare)
		stage_run(play);
	c->play(play, c);
	printf("played\n");
	return 0;
}

static int revive(struct play *play)
{
	stage_set(play, 0, 0);
	stage_run(play);
	if (!frame_echoed(play)) {
		printf("gave up: no echo; of the frame sent %u came back, received %u\n", ring_take(&play->tx, 1, 0),
		       ring_take(&play->rx, 1, 0));
		return 1;
	}
	printf("revived\n");
	return 0;
}

int main(int argc, char **argv)
{
	static struct play play;

	if (argc == 2 && strcmp(argv[1], "list") == 0) {
		list();
		return 0;
	}
	if (argc < 3) {
		fprintf(stderr, "usage: hostile_guest list | play NAME split|packed | revive split|packed\n");
		return 2;
	}
	play.packed = strcmp(argv[argc - 1], "packed") == 0;
	device_open(&play.device);
	return strcmp(argv[1], "play") == 0 ? play_one(&play, argv[2]) : revive(&play);
}
