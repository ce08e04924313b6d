/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_why_words.c: decisions on the way of a frame, a line of words each. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ctl_why.h"
#include "frame_head.h"
#include "guard.h"
#include "mirror_map.h"
#include "one_line.h"
#include "policy_filter.h"

enum { TEXT_BYTES = 1024, TYPE_AT = 12, TCI_AT = 14 };

/* The decisions of ingress and look-up, in order. */
enum step { STEP_SOURCE, STEP_VLAN, STEP_GUARDS, STEP_FILTER, STEP_LOOKUP, STEP_LINK_LOCAL, STEP_STORM, STEPS };

/* Options that decide, with commas between them. */
#define GUARD_OPTIONS "macs,ips,dhcp-guard,ra-guard,bpdu-guard,loop-guard"
#define VLAN_OPTIONS "access,trunk,native-vlan,native-tagged,qinq"

/* Where a frame is dropped for a reason, before anybody is asked who may get it. */
static const struct {
	enum step at;
	const char *options;
} reasons[RX_DROPS] = {
	[RX_DROP_SOURCE] = {STEP_SOURCE, NULL},
	[RX_DROP_MIRROR_SINK] = {STEP_SOURCE, NULL},
	[RX_DROP_LONG] = {STEP_VLAN, NULL},
	[RX_DROP_VLAN_TAGGED] = {STEP_VLAN, VLAN_OPTIONS},
	[RX_DROP_VLAN_UNTAGGED] = {STEP_VLAN, VLAN_OPTIONS},
	[RX_DROP_VLAN_NOT_MEMBER] = {STEP_VLAN, VLAN_OPTIONS},
	[RX_DROP_VLAN_INNER] = {STEP_VLAN, VLAN_OPTIONS},
	[RX_DROP_VLAN_SHORT] = {STEP_VLAN, NULL},
	[RX_DROP_GUARD_MAC] = {STEP_GUARDS, "macs"},
	[RX_DROP_GUARD_IP] = {STEP_GUARDS, "ips"},
	[RX_DROP_GUARD_DHCP] = {STEP_GUARDS, "dhcp-guard"},
	[RX_DROP_GUARD_RA] = {STEP_GUARDS, "ra-guard"},
	[RX_DROP_GUARD_BPDU] = {STEP_GUARDS, "bpdu-guard"},
	[RX_DROP_GUARD_TYPE] = {STEP_GUARDS, GUARD_OPTIONS},
	[RX_DROP_GUARD_ODD] = {STEP_GUARDS, GUARD_OPTIONS},
	[RX_DROP_GUARD_LOOP] = {STEP_GUARDS, "loop-guard"},
	[RX_DROP_CLOSED] = {STEP_GUARDS, "bpdu-guard"},
	[RX_DROP_ISOLATED] = {STEPS, "isolated"},
	[RX_DROP_FILTER] = {STEP_FILTER, NULL},
	[RX_DROP_FILTER_UNKNOWN] = {STEP_FILTER, NULL},
	[RX_DROP_REFLECTION] = {STEP_LOOKUP, NULL},
	[RX_DROP_ALONE] = {STEP_LOOKUP, NULL},
	[RX_DROP_MCAST_NO_MEMBER] = {STEP_LOOKUP, NULL},
	[RX_DROP_LINK_LOCAL] = {STEP_LINK_LOCAL, NULL},
	[RX_DROP_STORM_BROADCAST] = {STEP_STORM, "storm-broadcast"},
	[RX_DROP_STORM_MULTICAST] = {STEP_STORM, "storm-multicast"},
	[RX_DROP_STORM_UNKNOWN] = {STEP_STORM, "storm-unknown"},
};

static const char *const step_words[STEPS] = {
	[STEP_SOURCE] = "source",     [STEP_VLAN] = "vlan",    [STEP_GUARDS] = "guards",
	[STEP_FILTER] = "filter-from-vm", [STEP_LOOKUP] = "look-up", [STEP_LINK_LOCAL] = "forward-link-local",
	[STEP_STORM] = "storm",
};

static const struct port_counter *rx_reason(enum rx_drop why)
{
	return &port_counter_table[PORT_COUNTERS_ALONE + why];
}

static const struct port_counter *tx_reason(enum tx_drop why)
{
	return &port_counter_table[PORT_COUNTERS_ALONE + RX_DROPS + why];
}

/* --- texts --------------------------------------------------------------------------------------------------------- */

struct words {
	char text[TEXT_BYTES];
	size_t n;
};

static __attribute__((format(printf, 2, 3))) void say(struct words *words, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(words->text + words->n, sizeof(words->text) - words->n, fmt, args);
	va_end(args);
	if (n > 0)
		words->n += (size_t)n;
	if (words->n >= sizeof(words->text))
		words->n = sizeof(words->text) - 1;
}

static void set_text(json_t *object, const char *key, const struct words *words)
{
	char text[TEXT_BYTES];

	memcpy(text, words->text, words->n + 1);
	one_line(text, sizeof(text));
	only_ascii(text);
	json_object_set_new(object, key, json_string(text));
}

/* Whether a list with commas has the word. */
static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = list; at != NULL; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, word, n) == 0 && (at[n] == ',' || at[n] == '\0'))
			return true;
	}
	return false;
}

/* "access 10, macs 52:54:00:00:00:01": those of `options` that are given, or the one that there is. */
static struct words options_of(const struct ctl_why_asked *asked, const struct port *port, const char *options)
	RUNS_ON(control_thread)
{
	const struct bridge_port_options *values = &switch_port_config(asked->sw, port)->member;
	struct words words = {.n = 0};

	for (unsigned int i = 0; options != NULL && i < bridge_port_options.n; i++) {
		const struct option_row *row = &bridge_port_options.row[i];
		char value[OPTION_TEXT_BYTES];

		if (!has_word(options, row->key) ||
		    (strchr(options, ',') != NULL && !option_given(&bridge_port_options, values, row->key)))
			continue;
		option_value_text(row, values, value, sizeof(value));
		say(&words, "%s%s %s", words.n > 0 ? ", " : "", row->key, value);
	}
	return words;
}

/* A line; `options` and `dropped` may be NULL. */
static void add_step(json_t *steps, const char *step, const struct words *text, const struct words *options, const char *dropped)
{
	json_t *object = json_object();

	json_object_set_new(object, "step", json_string(step));
	set_text(object, "text", text);
	if (options != NULL && options->n > 0)
		set_text(object, "option", options);
	if (dropped != NULL)
		json_object_set_new(object, "dropped", json_string(dropped));
	json_array_append_new(steps, object);
}

/* rule 2 ("deny arp") */
static void say_rule(struct words *words, const struct port *port, enum filter_direction direction, int rule)
	RUNS_ON(control_thread)
{
	const struct policy *policy = rcu_own(&port->policy);
	const struct filter_list *list;

	if (rule == WHY_NO_RULE || policy == NULL || policy->filter[direction] == NULL)
		return;
	list = port_filter_list(policy->filter[direction]);
	say(words, "rule %d (\"%.*s\")", rule + 1, (int)list->rule[rule].text_len,
	    filter_list_text(list) + list->rule[rule].text);
}

static bool begins_with_tag(const struct frame *frame)
{
	return frame->head_len >= FRAME_LEN_MIN &&
	       frame_type_is_tag((uint16_t)(frame->head[TYPE_AT] << 8 | frame->head[TYPE_AT + 1]));
}

/* --- on the way to the bridge -------------------------------------------------------------------------------------- */

static void say_frame(const struct ctl_why_asked *asked, json_t *steps)
{
	const struct frame *frame = &asked->frame;
	struct words words = {.n = 0}, step = {.n = 0};

	say(&words, "%u bytes", frame->len);
	if (frame->head_len >= FRAME_LEN_MIN) {
		say(&words, ", %s", guard_describe(frame).text);
		if (begins_with_tag(frame) && frame->head_len >= FRAME_LEN_MIN + FRAME_TAG)
			say(&words, ", tag of VLAN %u", (frame->head[TCI_AT] << 8 | frame->head[TCI_AT + 1]) & 0xfffu);
		else if (!begins_with_tag(frame))
			say(&words, ", no tag");
	}
	say(&step, "from %s", asked->from->name);
	add_step(steps, step.text, &words, NULL, NULL);
}

/* A port whose peer is not there can be asked about still. */
static void say_state(const struct ctl_why_asked *asked, json_t *steps) RUNS_ON(control_thread)
{
	struct port_state state = {.up = false};
	struct words words = {.n = 0};

	if (switch_link_is_set_down(asked->sw, asked->from->name))
		say(&words, "its link is set down: nothing comes from it, and nothing goes to it (vusctl port link %s up)",
		    asked->from->name);
	else if (asked->bridge == NULL)
		say(&words, "it is in no bridge yet: nothing comes from it");
	else
		asked->from->ops->state(asked->from, &state);
	if (words.n == 0 && !state.up)
		say(&words, "nothing comes from it now: %s", state.text);
	if (words.n > 0)
		add_step(steps, "link", &words, NULL, NULL);
}

static void say_offload(const struct ctl_why_asked *asked, json_t *steps)
{
	const struct frame *frame = &asked->frame;
	struct words words = {.n = 0};
	bool dropped = asked->dropped == RX_DROP_OFFLOAD;

	if (dropped)
		say(&words, "dropped (offload): %s", rx_reason(asked->dropped)->help);
	else if (!asked->offload)
		say(&words, "none");
	else if (frame->offload.gso_type == VIRTIO_NET_HDR_GSO_NONE)
		say(&words, "its checksum is to be computed, from byte %u on", frame->offload.csum_start);
	else
		say(&words, "to be cut up into %u of up to %u bytes of payload", frame_wire_packets(frame),
		    frame->offload.gso_size);
	add_step(steps, "offload", &words, NULL, dropped ? rx_reason(asked->dropped)->name : NULL);
}

static void say_rate(const struct ctl_why_asked *asked, json_t *steps) RUNS_ON(control_thread)
{
	const struct words options = options_of(asked, asked->from, "rate-from-vm,packets-from-vm");
	struct words words = {.n = 0};

	if (options.n == 0)
		return;
	if (asked->why.wait_ns > 0)
		say(&words, "waits %.3f ms with its sender: %s", (double)asked->why.wait_ns / 1e6, options.text);
	else
		say(&words, "within %s", options.text);
	add_step(steps, "rate", &words, &options, NULL);
}

/* --- ingress and look-up ------------------------------------------------------------------------------------------- */

static void say_vlan(const struct ctl_why_asked *asked, struct words *words, const struct words *options)
{
	if (asked->why.to == WHY_NOT_LOOKED_UP)
		say(words, "%s", options->n > 0 ? options->text : "as nothing is said of its VLANs");
	else
		say(words, "VLAN %u (%s)", asked->why.fid, options->n > 0 ? options->text : "nothing is said of its VLANs");
}

/* What an address is, and where it is. */
static void say_lookup(const struct ctl_why_asked *asked, struct words *words) RUNS_ON(control_thread)
{
	const struct why_answer *why = &asked->why;
	const struct port *to = why->to >= 0 ? switch_port_at(asked->sw, (unsigned int)why->to) : NULL;
	mac_key_t mac = mac_key(asked->frame.head);
	char vlan[24] = "";

	if (bridge_is_vlan_aware(asked->bridge))
		snprintf(vlan, sizeof(vlan), "VLAN %u, ", why->fid);
	if (why->to >= 0)
		say(words, "%sbehind %s", vlan, to != NULL ? to->name : "a port that leaves");
	else
		say(words, "%s%s: to be flooded", vlan,
		    (mac & 1) == 0 ? "behind no port that is known" : mac == UINT64_C(0xffffffffffff) ? "broadcast" : "a group");
	if (!why->learns)
		return;
	say(words, "; its source is learned behind %s", asked->from->name);
	to = why->moves_from >= 0 ? switch_port_at(asked->sw, (unsigned int)why->moves_from) : NULL;
	if (to != NULL)
		say(words, ", and was behind %s", to->name);
}

/* A step that the frame has passed. Returns: false: there is nothing to say of it. */
static bool say_passed(const struct ctl_why_asked *asked, enum step step, struct words *words, struct words *options)
	RUNS_ON(control_thread)
{
	static const char *const storms[PORT_STORMS + 1] = {[PORT_STORM_BROADCAST] = "storm-broadcast",
							    [PORT_STORM_MULTICAST] = "storm-multicast",
							    [PORT_STORM_UNKNOWN] = "storm-unknown"};
	const struct policy *policy = rcu_own(&asked->from->policy);

	switch (step) {
	case STEP_VLAN:
		*options = options_of(asked, asked->from, VLAN_OPTIONS);
		say_vlan(asked, words, options);
		return bridge_is_vlan_aware(asked->bridge);
	case STEP_GUARDS:
		*options = options_of(asked, asked->from, GUARD_OPTIONS);
		say(words, "pass it: %s", options->text);
		return policy != NULL && policy->guard != NULL;
	case STEP_FILTER:
		say_rule(words, asked->from, FILTER_FROM, asked->why.rule);
		return words->n > 0;
	case STEP_LOOKUP:
		say_lookup(asked, words);
		return true;
	case STEP_STORM:
		*options = options_of(asked, asked->from, storms[asked->why.storm]);
		say(words, "%s: %llu left of %llu", options->text, (unsigned long long)asked->why.storm_left,
		    (unsigned long long)asked->why.storm_most);
		return asked->why.storm != PORT_STORMS;
	default:
		return false;
	}
}

static void say_dropped(const struct ctl_why_asked *asked, enum step step, json_t *steps) RUNS_ON(control_thread)
{
	enum rx_drop why = asked->why.dropped;
	const struct words options = options_of(asked, asked->from, reasons[why].options);
	struct words words = {.n = 0};

	say(&words, "dropped (%s)", rx_reason(why)->name);
	if (step == STEP_FILTER && asked->why.rule != WHY_NO_RULE) {
		say(&words, ", ");
		say_rule(&words, asked->from, FILTER_FROM, asked->why.rule);
	}
	if (why != RX_DROP_FILTER)
		say(&words, ": %s%s%s", rx_reason(why)->help, options.n > 0 ? "; " : "", options.text);
	add_step(steps, step_words[step], &words, &options, rx_reason(why)->name);
}

/* Every decision up to the one that drops it; where that is a receiver's, all. */
static void say_steps(const struct ctl_why_asked *asked, json_t *steps) RUNS_ON(control_thread)
{
	const struct why_answer *why = &asked->why;
	bool early = why->dropped != RX_DROPS && (why->to == WHY_NOT_LOOKED_UP || why->receivers_n == 0);
	enum step last = early ? reasons[why->dropped].at : STEPS;

	for (int step = 0; step < STEPS; step++) {
		struct words words = {.n = 0}, options = {.n = 0};

		if (early && step == (int)last) {
			/* Where its destination is, before what follows from that. */
			if (step == STEP_LOOKUP && say_passed(asked, STEP_LOOKUP, &words, &options))
				add_step(steps, step_words[step], &words, &options, NULL);
			say_dropped(asked, last, steps);
			return;
		}
		if (say_passed(asked, (enum step)step, &words, &options))
			add_step(steps, step_words[step], &words, &options, NULL);
	}
}

/* --- receivers ------------------------------------------------------------------------------------------------------ */

static json_t *receiver_of(const struct port *port, bool delivered, const char *reason, const char *counter,
			   const struct words *options, const struct words *words)
{
	json_t *object = json_pack("{s:s, s:b, s:s*, s:s*}", "port", port->name, "delivered", delivered, "reason", reason,
				   "counter", counter);

	if (options != NULL && options->n > 0)
		set_text(object, "option", options);
	set_text(object, "text", words);
	return object;
}

static json_t *refused_by_bridge(const struct ctl_why_asked *asked, const struct why_receiver *to) RUNS_ON(control_thread)
{
	const struct words options = options_of(asked, to->port, to->why == RX_DROP_LONG ? NULL : reasons[to->why].options);
	struct words words = {.n = 0};

	say(&words, "dropped (%s)", rx_reason(to->why)->name);
	if (to->why == RX_DROP_ISOLATED)
		say(&words, ": isolated, as %s is", asked->from->name);
	else if (to->why == RX_DROP_VLAN_NOT_MEMBER)
		say(&words, ": not in VLAN %u (%s)", asked->why.fid,
		    options.n > 0 ? options.text : "nothing is said of its VLANs");
	else if (to->why == RX_DROP_MIRROR_SINK)
		say(&words, ": it gets the copies of a mirror, and nothing else");
	else if (to->why == RX_DROP_MCAST_NO_MEMBER)
		say(&words, ": it has no member of the group, and no router");
	else
		say(&words, ": %s", rx_reason(to->why)->help);
	return receiver_of(to->port, false, rx_reason(to->why)->name, NULL, &options, &words);
}

static json_t *refused_by_port(const struct ctl_why_asked *asked, const struct why_receiver *to, enum tx_drop why)
	RUNS_ON(control_thread)
{
	const struct words options = options_of(asked, to->port, why == TX_DROP_RATE ? "rate-to-vm,packets-to-vm" : NULL);
	struct port_state state = {.up = false};
	struct words words = {.n = 0};
	char counter[64];

	say(&words, "dropped (%s)", tx_reason(why)->name);
	if (why == TX_DROP_FILTER || why == TX_DROP_FILTER_UNKNOWN) {
		say(&words, ", filter-to-vm ");
		say_rule(&words, to->port, FILTER_TO, to->rule);
	}
	if (why == TX_DROP_NOT_READY) {
		to->port->ops->state(to->port, &state);
		say(&words, ": %s", state.text);
	} else if (why != TX_DROP_FILTER) {
		say(&words, ": %s%s%s", tx_reason(why)->help, options.n > 0 ? "; " : "", options.text);
	}
	snprintf(counter, sizeof(counter), "tx_drop.%s", tx_reason(why)->name);
	return receiver_of(to->port, false, tx_reason(why)->name, counter, &options, &words);
}

/* It leaves by the port: what its driver would do. */
static json_t *given_to(const struct ctl_why_asked *asked, const struct why_receiver *to) RUNS_ON(control_thread)
{
	struct frame frame = to->frame;
	struct words words = {.n = 0};
	struct port_terms terms;
	struct port_takes takes;

	port_terms_of(to->port, &frame, &terms);
	takes = port_terms_take(&terms, &frame);
	if (takes.why != TX_DROPS)
		return refused_by_port(asked, to, takes.why);
	say(&words, "delivered");
	if (bridge_is_vlan_aware(asked->bridge))
		say(&words, (to->frame.tag & FRAME_TAGGED) != 0 ? ", with the tag of VLAN %u" : ", without the tag of VLAN %u",
		    to->frame.vlan & 0xfff);
	if (takes.frames != 1)
		say(&words, ", cut into %u", takes.frames);
	if (takes.checksummed)
		say(&words, ", its checksum computed");
	if (to->rule != WHY_NO_RULE) {
		say(&words, ", filter-to-vm ");
		say_rule(&words, to->port, FILTER_TO, to->rule);
	}
	return receiver_of(to->port, true, NULL, NULL, NULL, &words);
}

json_t *ctl_why_absent(const struct ctl_why_asked *asked, const struct port *port)
{
	struct words words = {.n = 0};

	if (port == asked->from || bridge_has_port(asked->bridge, port) ||
	    strcmp(switch_port_config(asked->sw, port)->member.bridge, bridge_name(asked->bridge)) != 0)
		return NULL;
	if (switch_link_is_set_down(asked->sw, port->name))
		say(&words, "nothing: its link is set down (vusctl port link %s up)", port->name);
	else
		say(&words, "nothing: it is starting");
	return receiver_of(port, false, "absent", NULL, NULL, &words);
}

json_t *ctl_why_receiver(const struct ctl_why_asked *asked, const struct why_receiver *to)
{
	if (to->leaves)
		return given_to(asked, to);
	return to->why != RX_DROPS ? refused_by_bridge(asked, to) : refused_by_port(asked, to, to->to);
}

/* --- mirrors, and all of it ------------------------------------------------------------------------------------------ */

void ctl_why_mirrors(const struct ctl_why_asked *asked, uint8_t mirrors, const struct port *of, bool from, json_t *list)
{
	const struct mirror_map *map = bridge_mirrors(asked->bridge);

	for (unsigned int i = 0; map != NULL && i < map->n; i++) {
		const struct port *sink = map->sink[i] < PORTS_MAX ? switch_port_at(asked->sw, map->sink[i]) : NULL;
		struct words words = {.n = 0};
		json_t *object;

		if ((mirrors >> i & 1) == 0)
			continue;
		say(&words, "a copy of what %s %s, %s%s", from ? "comes from" : "goes to", of->name,
		    sink != NULL ? "to " : "for a port that is not there", sink != NULL ? sink->name : "");
		object = json_pack("{s:s, s:s, s:s, s:s*}", "mirror", map->mirror[i]->name, "direction", from ? "from" : "to",
				   "of", of->name, "sink", sink != NULL ? sink->name : NULL);
		set_text(object, "text", &words);
		json_array_append_new(list, object);
	}
}

static void say_bridge(const struct ctl_why_asked *asked, json_t *steps) RUNS_ON(control_thread)
{
	static const char *const punts[PUNT_KINDS] = {"LACP", "LLDP", "IGMP", "MLD", "ARP"};
	struct words words = {.n = 0};

	say_rate(asked, steps);
	say_steps(asked, steps);
	if (asked->why.punt != PUNT_KINDS) {
		say(&words, "a copy, for %s", punts[asked->why.punt]);
		add_step(steps, "control", &words, NULL, NULL);
	}
}

json_t *ctl_why_words(const struct ctl_why_asked *asked)
{
	enum rx_drop dropped = asked->dropped;
	struct words words = {.n = 0};
	json_t *steps = json_array();

	say_frame(asked, steps);
	say_state(asked, steps);
	if (dropped == RX_DROP_SHORT || dropped == RX_DROP_LONG) {
		say(&words, "dropped (%s): %s", rx_reason(dropped)->name, rx_reason(dropped)->help);
		add_step(steps, "length", &words, NULL, rx_reason(dropped)->name);
	} else {
		say_offload(asked, steps);
	}
	if (asked->answered) {
		say_bridge(asked, steps);
		dropped = asked->why.dropped;
	}
	return json_pack("{s:s, s:s*, s:o, s:s?}", "port", asked->from->name, "bridge",
			 asked->bridge != NULL ? bridge_name(asked->bridge) : NULL, "steps", steps, "dropped",
			 dropped != RX_DROPS ? rx_reason(dropped)->name : NULL);
}
