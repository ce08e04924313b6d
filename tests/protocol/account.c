/* SPDX-License-Identifier: BSD-3-Clause */
#include "account.h"

#include <string.h>

static const char *const rx_reasons[RX_REASONS] = {
	"short", "long", "offload", "disabled", "restart", "source", "reflection", "alone", "isolated", "lane",
};
static const char *const tx_reasons[TX_REASONS] = {
	"not_ready", "no_buffer", "too_big", "broken", "refused", "lane",
};

static int64_t number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		fail_msg("no counter \"%s\"", key);
	return json_integer_value(value);
}

void read_account(const char *port, struct account *a)
{
	json_t *answer = fg_switch_query(&fixture.sw, "port", port);
	const json_t *at = json_object_get(answer, "port");
	const json_t *rx = json_object_get(at, "rx_drop"), *tx = json_object_get(at, "tx_drop");

	assert_non_null(at);
	/* A counter that is not in our list would be one to which things can be lost. */
	assert_int_equal(json_object_size(rx), RX_REASONS);
	assert_int_equal(json_object_size(tx), TX_REASONS);
	a->rx_ok = number(at, "rx_ok");
	a->copies = number(at, "copies");
	a->tx_ok = number(at, "tx_ok");
	a->checksummed = number(at, "tx_checksummed");
	a->segmented = number(at, "tx_segmented");
	a->segments = number(at, "tx_segments");
	for (int i = 0; i < RX_REASONS; i++)
		a->rx_drop[i] = number(rx, rx_reasons[i]);
	for (int i = 0; i < TX_REASONS; i++)
		a->tx_drop[i] = number(tx, tx_reasons[i]);
	json_decref(answer);
}

struct account since(const char *port, const struct account *before)
{
	struct account a;

	read_account(port, &a);
	a.rx_ok -= before->rx_ok;
	a.copies -= before->copies;
	a.tx_ok -= before->tx_ok;
	a.checksummed -= before->checksummed;
	a.segmented -= before->segmented;
	a.segments -= before->segments;
	for (int i = 0; i < RX_REASONS; i++)
		a.rx_drop[i] -= before->rx_drop[i];
	for (int i = 0; i < TX_REASONS; i++)
		a.tx_drop[i] -= before->tx_drop[i];
	return a;
}

int64_t taken(const struct account *a)
{
	int64_t sum = a->rx_ok;

	for (int i = 0; i < RX_REASONS; i++)
		sum += a->rx_drop[i];
	return sum;
}

int64_t given(const struct account *a)
{
	int64_t sum = a->tx_ok;

	for (int i = 0; i < TX_REASONS; i++)
		sum += a->tx_drop[i];
	return sum;
}

void expect_account(const char *port, const struct account *before, const struct account *want)
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

void send_raw(struct guest *g, const uint8_t dst[6], const uint8_t src[6], unsigned int n,
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

const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static const char *const ports[] = {
	"a", "b", "c", "d,bridge=br1", "n,bridge=br2", "e,bridge=br3", "z,bridge=br3", NULL};
static const char *const args[] = {"--ethdev", "up=net_ring0,bridge=br2", NULL};
static const char *const eal[] = {"--vdev", "net_ring0", NULL};
const struct fg_switch_options account_fixture = {.ports = ports, .args = args, .eal = eal};
