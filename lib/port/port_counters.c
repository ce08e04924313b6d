/* SPDX-License-Identifier: BSD-3-Clause */
#include "port_counters.h"

#define AT(member) ((offsetof(struct port_counters, member)) / sizeof(uint64_t))
_Static_assert(AT(rx_drop) == PORT_COUNTERS_ALONE && AT(tx_drop) == AT(rx_drop) + RX_DROPS &&
		       AT(punt_drop) == AT(tx_drop) + TX_DROPS &&
		       AT(inject_drop) == AT(punt_drop) + PUNT_DROPS,
	       "values lie in the order of the table");

static const struct port_counter_group rx_drop_group = {"rx_drop", "rx_drops"};
static const struct port_counter_group tx_drop_group = {"tx_drop", "tx_drops"};
static const struct port_counter_group punt_drop_group = {"punt_drop", "punt_drops"};
static const struct port_counter_group inject_drop_group = {"inject_drop", "inject_drops"};

#define ALONE(name, side, unit, help) {NULL, #name, PORT_##side, #unit, help},
#define RX_DROP(constant, name, help) {&rx_drop_group, #name, PORT_RX, "frames", help},
#define TX_DROP(constant, name, help) {&tx_drop_group, #name, PORT_TX, "frames", help},
#define PUNT_DROP(constant, name, help) {&punt_drop_group, #name, PORT_RX, "frames", help},
#define INJECT_DROP(constant, name, help) {&inject_drop_group, #name, PORT_TX, "frames", help},

const struct port_counter port_counter_table[PORT_COUNTERS] = {
	PORT_COUNTER_ROWS(ALONE) RX_DROP_ROWS(RX_DROP) TX_DROP_ROWS(TX_DROP)
		PUNT_DROP_ROWS(PUNT_DROP) INJECT_DROP_ROWS(INJECT_DROP)};

void port_counters_add(struct port_counters *to, const struct port_counters *part)
{
	for (int i = 0; i < PORT_COUNTERS; i++)
		count(&to->value[i], counted(&part->value[i]));
}

void port_counters_add_new(struct port_counters *to, const struct port_counters *part,
			   struct port_counters *seen)
{
	for (int i = 0; i < PORT_COUNTERS; i++) {
		uint64_t now = counted(&part->value[i]);

		count(&to->value[i], now - counted(&seen->value[i]));
		atomic_store_explicit(&seen->value[i], now, memory_order_relaxed);
	}
}
