/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl_metrics.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_version.h>

#include "clock.h"
#include "container_of.h"
#include "ctl_socket.h"
#include "lcore.h"
#include "log.h"
#include "metrics_server.h"
#include "mirror_map.h"
#include "vus_version.h"

/* --- the tables -------------------------------------------------------------------------------------------------- */

/* Nanoseconds. */
static const uint64_t slice_bounds[] = {50000,	 100000,  250000,  500000,  750000,
					1000000, 2500000, 5000000, 10000000};
enum { SLICE_BOUNDS = sizeof(slice_bounds) / sizeof(slice_bounds[0]) };

enum {
	SWITCH_NUMBERS = 6,
	SWITCH_SLICES = SWITCH_NUMBERS,
	SWITCH_TURNS = SWITCH_SLICES + SLICE_BOUNDS + 2,
	SWITCH_REQUESTS = SWITCH_TURNS + HISTOGRAM_VALUES,
	SWITCH_VALUES = SWITCH_REQUESTS + CTL_REQUESTS * HISTOGRAM_VALUES,
};

#define CONTROL_REQUESTS(request_name, request_help)                                               \
	{                                                                                          \
		.name = "vuswitch_control_request_seconds", METRICS_TIMES, .label = "request",     \
		.value = request_name, .value_help = request_help,                                 \
		.help = "how long requests on the control socket took from when control had them " \
			"until their reply began"                                                  \
	}

static const struct metrics_row switch_rows[] = {
	{.name = "vuswitch_build",
	 .type = METRICS_INFO,
	 .help = "the program's version, and that of its DPDK"},
	{.name = "vuswitch_start_time_seconds",
	 .type = METRICS_GAUGE,
	 .unit = "seconds",
	 .decimals = METRICS_NS,
	 .help = "when the process started, in seconds since 1970"},
	{.name = "vuswitch_config_fallback",
	 .type = METRICS_GAUGE,
	 .help = "1: the configuration file has an error, and the last good one is in force"},
	{.name = "vuswitch_ports", .type = METRICS_GAUGE, .help = "ports that the switch has"},
	{.name = "vuswitch_reports_lost",
	 .type = METRICS_COUNTER,
	 .help = "records of lcores for control, of addresses seen above all, that were dropped "
		 "because control was late"},
	{.name = "vuswitch_queue_moves",
	 .type = METRICS_COUNTER,
	 .help = "receive queues that moved to another lcore"},
	{.name = "vuswitch_scrapes",
	 .type = METRICS_COUNTER,
	 .help = "how often metrics were gathered"},
	{.name = "vuswitch_scrape_slice_seconds",
	 .type = METRICS_HISTOGRAM,
	 .unit = "seconds",
	 .decimals = METRICS_NS,
	 .bounds = slice_bounds,
	 .bounds_n = SLICE_BOUNDS,
	 .help = "how long the control thread gathered metrics at a time, before it went on with "
		 "other work"},
	{.name = "vuswitch_control_turn_seconds",
	 METRICS_TIMES,
	 .help = "how long the control thread worked at a time, before it looked for what had come "
		 "meanwhile: so long anything may have to wait for it"},
	CONTROL_REQUESTS("look", "that look at something, or are refused"),
	CONTROL_REQUESTS("change", "that change something: until it has taken effect"),
};
/* Behind the info and the numbers. */
static const struct metrics_row *const slice_row = &switch_rows[1 + SWITCH_NUMBERS];

static const struct metrics_kind switch_kind = {
	.title = "The switch", METRICS_ROWS(switch_rows), .info = {"version", "dpdk"}};

#define LCORE_TIME(state_name, state_help)                                                         \
	{                                                                                          \
		.name = "vuswitch_lcore_time_seconds", .type = METRICS_COUNTER, .unit = "seconds", \
		.decimals = METRICS_NS, .help = "what the lcore's time went to", .label = "state", \
		.value = state_name, .value_help = state_help                                      \
	}

enum { LCORE_NUMBERS = 10 };

static const struct metrics_row lcore_rows[] = {
	{.name = "vuswitch_lcore", .type = METRICS_INFO, .help = "the CPU of an lcore"},
	{.name = "vuswitch_lcore_frames",
	 .type = METRICS_COUNTER,
	 .help = "frames that the lcore moved"},
	{.name = "vuswitch_lcore_rounds",
	 .type = METRICS_COUNTER,
	 .help = "rounds over its queues"},
	{.name = "vuswitch_lcore_sleeps",
	 .type = METRICS_COUNTER,
	 .help = "how often it slept in the kernel"},
	{.name = "vuswitch_lcore_rings",
	 .type = METRICS_COUNTER,
	 .help = "kicks of queues that it did not look at"},
	LCORE_TIME("busy", "rounds that moved a frame"),
	LCORE_TIME("idle", "rounds that found nothing"),
	LCORE_TIME("asleep", "sleeps that have ended"),
	{.name = "vuswitch_lcore_load_ratio",
	 .type = METRICS_GAUGE,
	 .unit = "ratio",
	 .decimals = METRICS_PPM,
	 .help = "what part of its time its queues take, as queues are moved by"},
	{.name = "vuswitch_lcore_longest_round_seconds",
	 .type = METRICS_GAUGE,
	 .unit = "seconds",
	 .decimals = METRICS_NS,
	 .help = "its longest round since that was last reset, with what others had of the CPU "
		 "meanwhile"},
	{.name = "vuswitch_lcore_queues",
	 .type = METRICS_GAUGE,
	 .help = "receive queues that it polls"},
	{.name = "vuswitch_lcore_wake_seconds",
	 METRICS_TIMES,
	 .help = "how long the lcore took to run after control had woken it up from its sleep; "
		 "control does so each time that metrics are gathered, too"},
	{.name = "vuswitch_lcore_first_frame_seconds",
	 METRICS_TIMES,
	 .help = "of wake-ups by a kick: how long it took from when the lcore ran until it had moved "
		 "the first frames"},
};
static const struct metrics_kind lcore_kind = {
	.title = "Lcores", METRICS_ROWS(lcore_rows), .label = {"lcore"}, .info = {"cpu"}};

static const struct metrics_row bridge_rows[] = {
	{.name = "vuswitch_bridge_ports", .type = METRICS_GAUGE, .help = "ports in the bridge"},
	{.name = "vuswitch_bridge_addresses",
	 .type = METRICS_GAUGE,
	 .help = "addresses in its table"},
	{.name = "vuswitch_bridge_addresses_max",
	 .type = METRICS_GAUGE,
	 .help = "addresses that its table has room for"},
	{.name = "vuswitch_bridge_addresses_learned",
	 .type = METRICS_COUNTER,
	 .help = "addresses learned"},
	{.name = "vuswitch_bridge_addresses_moved",
	 .type = METRICS_COUNTER,
	 .help = "addresses seen behind another port"},
	{.name = "vuswitch_bridge_addresses_aged",
	 .type = METRICS_COUNTER,
	 .help = "addresses not seen for too long"},
	{.name = "vuswitch_bridge_addresses_evicted",
	 .type = METRICS_COUNTER,
	 .help = "addresses that made room for another one of the same port"},
	{.name = "vuswitch_bridge_addresses_refused",
	 .type = METRICS_COUNTER,
	 .help = "addresses for which there was no room that belongs to their port: they are "
		 "flooded to"},
	{.name = "vuswitch_bridge_inject_drops",
	 .type = METRICS_COUNTER,
	 .help = "frames of the control thread from no port that were not sent into the bridge"},
};
static const struct metrics_kind bridge_kind = {
	.title = "Bridges", METRICS_ROWS(bridge_rows), .label = {"bridge"}};

static const struct metrics_row mirror_rows[] = {
	{.name = "vuswitch_mirror_copied",
	 .type = METRICS_COUNTER,
	 .help = "frames that the mirror has copied to its sink"},
	{.name = "vuswitch_mirror_dropped",
	 .type = METRICS_COUNTER,
	 .help = "copies that were dropped: the sink had no room, or is not there"},
	{.name = "vuswitch_mirror_unknown",
	 .type = METRICS_COUNTER,
	 .help = "frames that were not copied because the filter asks for a byte that the switch does not have in hand"},
};
static const struct metrics_kind mirror_kind = {.title = "Mirrors",
						.note = "mirrors of bridges",
						METRICS_ROWS(mirror_rows),
						.label = {"bridge", "mirror"}};

/* port_counter_table, in its order. */
#define UNIT_frames NULL
#define UNIT_joins  NULL
#define UNIT_bytes  "bytes"
#define ALONE(counter, side, its_unit, its_help)                                                   \
	{.name = "vuswitch_port_" #counter,                                                        \
	 .type = METRICS_COUNTER,                                                                  \
	 .unit = UNIT_##its_unit,                                                                  \
	 .help = its_help},
#define REASON(group, group_help, reason, reason_help)                                             \
	{.name = "vuswitch_port_" group,                                                           \
	 .type = METRICS_COUNTER,                                                                  \
	 .help = group_help,                                                                       \
	 .label = "reason",                                                                        \
	 .value = #reason,                                                                         \
	 .value_help = reason_help},
#define RX_REASON(constant, reason, help)                                                          \
	REASON("rx_drop", "frames from the port that were dropped", reason, help)
#define TX_REASON(constant, reason, help)                                                          \
	REASON("tx_drop", "frames for the port that were dropped", reason, help)
#define PUNT_REASON(constant, reason, help)                                                        \
	REASON("punt_drop",                                                                        \
	       "frames from the port that the control thread should have seen, and did not",       \
	       reason, help)
#define INJECT_REASON(constant, reason, help)                                                      \
	REASON("inject_drop",                                                                      \
	       "frames of the control thread for the port, or on its behalf, that were not sent",  \
	       reason, help)

enum { PORT_NUMBERS = 3 };

static const struct metrics_row port_rows[] = {
	{.name = "vuswitch_port",
	 .type = METRICS_INFO,
	 .help = "the bridge and the type of a port"},
	{.name = "vuswitch_port_up",
	 .type = METRICS_GAUGE,
	 .help = "1: the link is up, frames can go through the port"},
	{.name = "vuswitch_port_starting",
	 .type = METRICS_GAUGE,
	 .help = "1: the port's device is still being started"},
	{.name = "vuswitch_port_closed",
	 .type = METRICS_GAUGE,
	 .help = "1: bpdu-guard has closed the port, frames go neither way for a while"},
	PORT_COUNTER_ROWS(ALONE) RX_DROP_ROWS(RX_REASON) TX_DROP_ROWS(TX_REASON)
		PUNT_DROP_ROWS(PUNT_REASON) INJECT_DROP_ROWS(INJECT_REASON)};
_Static_assert(sizeof(port_rows) / sizeof(port_rows[0]) == 1 + PORT_NUMBERS + PORT_COUNTERS,
	       "a row for each counter");
static const struct metrics_kind port_kind = {
	.title = "Ports", METRICS_ROWS(port_rows), .label = {"port"}, .info = {"bridge", "type"}};

static const struct metrics_row queue_rows[] = {
	{.name = "vuswitch_queue_frames",
	 .type = METRICS_COUNTER,
	 .help = "frames that came through the receive queue"},
	{.name = "vuswitch_queue_bursts",
	 .type = METRICS_COUNTER,
	 .help = "bursts in which they came"},
	{.name = "vuswitch_queue_busy_seconds",
	 .type = METRICS_COUNTER,
	 .unit = "seconds",
	 .decimals = METRICS_NS,
	 .help = "how long lcores were busy with these bursts"},
	{.name = "vuswitch_queue_waited_seconds",
	 .type = METRICS_COUNTER,
	 .unit = "seconds",
	 .decimals = METRICS_NS,
	 .help = "how long frames have waited in its ring, held by rate-from-vm or packets-from-vm"},
	{.name = "vuswitch_queue_moved",
	 .type = METRICS_COUNTER,
	 .help = "how often the queue moved to another lcore"},
};
static const struct metrics_kind queue_kind = {.title = "Receive queues",
					       .note = "queues that lcores poll",
					       METRICS_ROWS(queue_rows),
					       .label = {"port", "queue"}};

unsigned int ctl_metrics_kinds(const struct port_driver *const *drivers,
			       const struct metrics_kind *kinds[METRICS_KINDS_MAX])
{
	static const struct metrics_kind *const own[] = {&switch_kind, &lcore_kind, &bridge_kind,
							 &mirror_kind, &port_kind, &queue_kind};
	unsigned int n = sizeof(own) / sizeof(own[0]);

	memcpy(kinds, own, sizeof(own));
	for (unsigned int i = 0; drivers[i] != NULL; i++)
		for (unsigned int j = 0;
		     drivers[i]->metrics != NULL && drivers[i]->metrics[j] != NULL; j++)
			if (n < METRICS_KINDS_MAX)
				kinds[n++] = drivers[i]->metrics[j];
	return n;
}

/* --- gathering --------------------------------------------------------------------------------------------------- */

enum { UNIX, TCP, SERVERS };

/* A listener and what it was made from, to see whether a configuration says something else. */
struct reader {
	struct ctl_metrics *metrics;
	struct metrics_server *server; /* NULL: none */
	char *where;
	struct rights rights;
	bool failed; /* it cannot be listened there: `fail` says why */
	struct fail fail;
	atomic_bool asks; /* a set is wanted; set by the server's thread */
};

enum gathering { GATHER_NOTHING, GATHER_LCORES, GATHER_BRIDGES, GATHER_PORTS, GATHER_SWITCH };

struct ctl_metrics {
	struct loop *loop;
	struct vus_switch *sw;
	cpu_set_t cpus;
	uint64_t start_ns; /* since 1970 */
	struct reader reader[SERVERS];
	struct loop_call call;
	atomic_bool called; /* `call` is on its way */
	enum gathering gathering;
	unsigned int at;    /* the lcore, the bridge or the port that is next */
	unsigned int asker; /* whom the set is for */
	struct metrics_set *set;
	uint64_t cost_ns; /* of a CPU */
	uint64_t scrapes;
	uint64_t slices[SLICE_BOUNDS + 2];
};

/* Without losing what a product of 64 bits has no room for. */
static uint64_t cycles_ns(uint64_t cycles)
{
	uint64_t hz = lcore_cycles_per_second();

	return cycles / hz * NS_PER_S + cycles % hz * NS_PER_S / hz;
}

static void gather_lcore(struct metrics_set *set, struct lcore *lcore) RUNS_ON(control_thread)
{
	const struct lcore_counters *counters = lcore_counters(lcore);
	uint64_t values[LCORE_NUMBERS + 2 * HISTOGRAM_VALUES] = {
		counted(&counters->frames),	     counted(&counters->loops),
		counted(&counters->sleeps),	     counted(&counters->rings),
		cycles_ns(counted(&counters->busy)), cycles_ns(counted(&counters->idle)),
		cycles_ns(counted(&counters->asleep)),
		lcore_load(lcore),		     cycles_ns(counted(&counters->longest)),
		lcore_poll_set(lcore)->n,
	};
	char id[12], cpu[12];

	snprintf(id, sizeof(id), "%u", lcore_id(lcore));
	snprintf(cpu, sizeof(cpu), "%d", lcore_cpu(lcore));
	histogram_read(&counters->wakes, values + LCORE_NUMBERS);
	histogram_read(&counters->starts, values + LCORE_NUMBERS + HISTOGRAM_VALUES);
	metrics_set_add(set, &lcore_kind, (const char *const[]){id, cpu}, values);
	/* One that nothing else wakes up is measured all the same; the next set has it. */
	lcore_try_waking(lcore);
}

static void gather_mirrors(struct metrics_set *set, const struct bridge *bridge) RUNS_ON(control_thread)
{
	const struct mirror_map *map = bridge_mirrors(bridge);

	for (unsigned int i = 0; map != NULL && i < map->n; i++) {
		struct mirror_sum sum = mirror_sum(map->mirror[i]);

		metrics_set_add(set, &mirror_kind, (const char *const[]){bridge_name(bridge), map->mirror[i]->name},
				(const uint64_t[]){sum.copied, sum.dropped, sum.unknown});
	}
}

static void gather_bridge(struct ctl_metrics *metrics, unsigned int index) RUNS_ON(control_thread)
{
	struct bridge *bridge = switch_bridge_at(metrics->sw, index);
	struct fdb_stats stats;

	if (bridge == NULL)
		return;
	fdb_stats(bridge_fdb(bridge), &stats);
	metrics_set_add(
		metrics->set, &bridge_kind, (const char *const[]){bridge_name(bridge)},
		(const uint64_t[]){bridge_ports_n(bridge), stats.entries,
				   switch_bridge_options(metrics->sw, index)->mac_table_size,
				   stats.learned, stats.moved, stats.aged, stats.evicted,
				   stats.refused, bridge_injects(bridge)->drops});
	gather_mirrors(metrics->set, bridge);
}

static void gather_queues(struct metrics_set *set, const struct port *port) RUNS_ON(control_thread)
{
	for (uint16_t i = 0; i < port->rxq_n; i++) {
		const struct port_rxq *q = port->rxq[i];
		char queue[12];

		if (q == NULL || q->lcore < 0)
			continue;
		snprintf(queue, sizeof(queue), "%u", i);
		metrics_set_add(set, &queue_kind, (const char *const[]){port->name, queue},
				(const uint64_t[]){counted(&q->frames), counted(&q->bursts),
						   cycles_ns(counted(&q->cycles)), cycles_ns(counted(&q->waited)), q->moves});
	}
}

static void gather_port(struct ctl_metrics *metrics, unsigned int id) RUNS_ON(control_thread)
{
	struct port *port = switch_port_at(metrics->sw, id);
	const struct config_port *config;
	uint64_t values[PORT_NUMBERS + PORT_COUNTERS];
	struct port_counters sum;
	struct port_state state;

	if (port == NULL)
		return;
	config = switch_port_config(metrics->sw, port);
	port->ops->state(port, &state);
	port_counters_sum(port, &sum);
	values[0] = state.up && !switch_link_is_set_down(metrics->sw, port->name);
	values[1] = port->starting;
	values[2] = switch_port_closed_seconds(metrics->sw, port) > 0;
	for (unsigned int i = 0; i < PORT_COUNTERS; i++)
		values[PORT_NUMBERS + i] = counted(&sum.value[i]);
	metrics_set_add(metrics->set, &port_kind,
			(const char *const[]){port->name, config->member.bridge, config->type},
			values);
	gather_queues(metrics->set, port);
	if (port->ops->measure != NULL)
		port->ops->measure(port, metrics->set);
}

/* The last, so that this gathering is in it. */
static void gather_switch(struct ctl_metrics *metrics) RUNS_ON(control_thread)
{
	const struct port_driver *const *drivers = switch_config(metrics->sw)->drivers;
	uint64_t values[SWITCH_VALUES] = {
		metrics->start_ns,	     switch_config(metrics->sw)->in_place_of != NULL,
		switch_ports_n(metrics->sw), lcores_reports_lost(),
		switch_moves_n(metrics->sw), ++metrics->scrapes,
	};

	memcpy(values + SWITCH_SLICES, metrics->slices, sizeof(metrics->slices));
	histogram_read(loop_turns(metrics->loop), values + SWITCH_TURNS);
	for (unsigned int i = 0; i < CTL_REQUESTS; i++)
		histogram_read(ctl_socket_answer_times(i), values + SWITCH_REQUESTS + i * HISTOGRAM_VALUES);
	metrics_set_add(metrics->set, &switch_kind,
			(const char *const[]){VUS_VERSION, rte_version()}, values);
	for (unsigned int i = 0; drivers[i] != NULL; i++)
		if (drivers[i]->measure != NULL)
			drivers[i]->measure(metrics->set);
}

/* One object of what is being gathered; then the next. */
static void gather_next(struct ctl_metrics *metrics) RUNS_ON(control_thread)
{
	const unsigned int n[] = {[GATHER_LCORES] = lcores_n(),
				  [GATHER_BRIDGES] = BRIDGES_MAX,
				  [GATHER_PORTS] = PORTS_MAX};

	if (metrics->at == n[metrics->gathering]) {
		metrics->gathering++;
		metrics->at = 0;
		return;
	}
	if (metrics->gathering == GATHER_LCORES)
		gather_lcore(metrics->set, lcore_at(metrics->at));
	else if (metrics->gathering == GATHER_BRIDGES)
		gather_bridge(metrics, metrics->at);
	else
		gather_port(metrics, metrics->at);
	metrics->at++;
}

static bool begin_gathering(struct ctl_metrics *metrics) RUNS_ON(control_thread)
{
	const struct metrics_kind *kinds[METRICS_KINDS_MAX];

	for (unsigned int i = 0; i < SERVERS; i++) {
		if (!atomic_exchange(&metrics->reader[i].asks, false) ||
		    metrics->reader[i].server == NULL)
			continue;
		metrics->asker = i;
		metrics->gathering = GATHER_LCORES;
		metrics->at = 0;
		metrics->cost_ns = 0;
		metrics->set = metrics_set_create(
			kinds, ctl_metrics_kinds(switch_config(metrics->sw)->drivers, kinds));
		return true;
	}
	return false;
}

/* Whoever asked may have gone since. */
static void end_gathering(struct ctl_metrics *metrics) RUNS_ON(control_thread)
{
	struct metrics_server *server = metrics->reader[metrics->asker].server;

	if (metrics->set != NULL)
		gather_switch(metrics);
	if (server != NULL)
		metrics_server_give(server, metrics->set, metrics->cost_ns);
	else
		metrics_set_free(metrics->set);
	metrics->set = NULL;
	metrics->gathering = GATHER_NOTHING;
}

static void call_again(struct ctl_metrics *metrics)
{
	if (!atomic_exchange(&metrics->called, true))
		loop_call(metrics->loop, &metrics->call);
}

static void gather_slice(struct loop_call *call)
{
	struct ctl_metrics *metrics = container_of(call, struct ctl_metrics, call);
	uint64_t begin_ns = clock_ns(), cpu_ns = clock_thread_cpu_ns();

	role_assert_control();
	atomic_store(&metrics->called, false);
	if (metrics->sw == NULL ||
	    (metrics->gathering == GATHER_NOTHING && !begin_gathering(metrics)))
		return;
	while (metrics->set != NULL && metrics->gathering != GATHER_SWITCH &&
	       clock_ns() - begin_ns < METRICS_SLICE_US * NS_PER_US)
		gather_next(metrics);
	metrics->cost_ns += clock_thread_cpu_ns() - cpu_ns;
	metrics_observe(slice_row, metrics->slices, clock_ns() - begin_ns);
	if (metrics->set == NULL || metrics->gathering == GATHER_SWITCH)
		end_gathering(metrics);
	call_again(metrics);
}

/* On a server's thread. */
static void ctl_metrics_asked(void *arg)
{
	struct reader *reader = arg;

	atomic_store(&reader->asks, true);
	call_again(reader->metrics);
}

/* --- listening --------------------------------------------------------------------------------------------------- */

static void stop_reader(struct reader *reader) RUNS_ON(control_thread)
{
	metrics_server_end(reader->server);
	reader->server = NULL;
	atomic_store(&reader->asks, false);
	free(reader->where);
	reader->where = NULL;
}

static bool is_as_before(const struct reader *reader, const char *where,
			 const struct rights *rights)
{
	if (reader->where == NULL || where == NULL)
		return reader->where == where;
	return strcmp(reader->where, where) == 0 &&
	       memcmp(reader->rights.given, rights->given, sizeof(rights->given)) == 0 &&
	       reader->rights.owner == rights->owner && reader->rights.group == rights->group &&
	       reader->rights.mode == rights->mode;
}

static void apply(struct ctl_metrics *metrics, unsigned int i, const char *where,
		  const struct rights *rights) RUNS_ON(control_thread)
{
	struct reader *reader = &metrics->reader[i];
	struct metrics_server_options options = {
		.path = i == UNIX ? where : NULL,
		.listen = i == TCP ? where : NULL,
		.rights = *rights,
		.cpus = metrics->cpus,
		.ask = ctl_metrics_asked,
		.arg = reader,
	};

	/* What failed is tried again. */
	if (is_as_before(reader, where, rights) && (where == NULL || reader->server != NULL))
		return;
	stop_reader(reader);
	reader->failed = false;
	if (where == NULL)
		return;
	reader->where = strdup(where);
	reader->rights = *rights;
	reader->failed = metrics_server_create(&options, &reader->server, &reader->fail) != 0;
	if (reader->failed)
		log_error("metrics", "%s", reader->fail.text);
	else if (i == UNIX)
		log_info("metrics", "read them with curl --unix-socket %s http://localhost/metrics",
			 where);
	else
		log_info("metrics", "read them with curl http://%s%s/metrics",
			 strchr(where, ':') != NULL ? "" : "127.0.0.1:", where);
}

void ctl_metrics_apply(struct ctl_metrics *metrics, const struct switch_options *options)
{
	const struct rights rights = {
		.given = {[RIGHTS_OWNER] = option_given(&switch_options, options, "metrics-owner"),
			  [RIGHTS_GROUP] = option_given(&switch_options, options, "metrics-group"),
			  [RIGHTS_MODE] = option_given(&switch_options, options, "metrics-mode")},
		.owner = options->metrics_owner,
		.group = options->metrics_group,
		.mode = options->metrics_mode,
	};

	apply(metrics, UNIX, options->metrics, &rights);
	apply(metrics, TCP, options->metrics_listen, &(struct rights){0});
}

const char *ctl_metrics_failed(const struct ctl_metrics *metrics, unsigned int i)
{
	for (unsigned int at = 0; at < SERVERS; at++)
		if (metrics->reader[at].failed && i-- == 0)
			return metrics->reader[at].fail.text;
	return NULL;
}

struct ctl_metrics *ctl_metrics_create(struct loop *loop, struct vus_switch *sw,
				       const cpu_set_t *cpus)
{
	struct ctl_metrics *metrics = calloc(1, sizeof(*metrics));

	if (metrics == NULL)
		return NULL;
	metrics->start_ns = clock_since_1970_ns();
	metrics->loop = loop;
	metrics->sw = sw;
	metrics->cpus = *cpus;
	metrics->call.run = gather_slice;
	for (unsigned int i = 0; i < SERVERS; i++)
		metrics->reader[i].metrics = metrics;
	return metrics;
}

void ctl_metrics_end(struct ctl_metrics *metrics)
{
	if (metrics == NULL)
		return;
	for (unsigned int i = 0; i < SERVERS; i++)
		stop_reader(&metrics->reader[i]);
	metrics_set_free(metrics->set);
	metrics->set = NULL;
	metrics->sw = NULL;
}

void ctl_metrics_destroy(struct ctl_metrics *metrics)
{
	free(metrics);
}
