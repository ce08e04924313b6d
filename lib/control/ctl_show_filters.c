/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_show_filters.c: the filters of a port, a rule an entry, and what each has decided. */
#include "ctl_show.h"
#include "policy.h"
#include "policy_filter.h"

static const char *const direction_words[FILTER_DIRECTIONS] = {[FILTER_FROM] = "from-vm", [FILTER_TO] = "to-vm"};

static json_t *show_rule(const struct port_filter *filter, enum filter_direction direction, uint32_t i)
{
	const struct filter_list *list = port_filter_list(filter);
	const struct filter_rule *rule = &list->rule[i];
	json_t *text = json_stringn(filter_list_text(list) + rule->text, rule->text_len);
	uint64_t decided, unknown;

	port_filter_sum(filter, i, &decided, &unknown);
	/* A text may be no UTF-8, which jansson refuses. */
	return json_pack("{s:s, s:i, s:o, s:I, s:I}", "direction", direction_words[direction], "rule", (int)i + 1, "text",
			 text != NULL ? text : json_string("(not UTF-8)"), "frames", (json_int_t)decided, "unknown",
			 (json_int_t)unknown);
}

json_t *ctl_show_filters(const struct port *port)
{
	const struct policy *policy = rcu_own(&port->policy);
	json_t *list = json_array();

	for (int d = 0; policy != NULL && d < FILTER_DIRECTIONS; d++)
		for (uint32_t i = 0; policy->filter[d] != NULL && i < port_filter_list(policy->filter[d])->rules_n; i++)
			json_array_append_new(list, show_rule(policy->filter[d], (enum filter_direction)d, i));
	return list;
}
