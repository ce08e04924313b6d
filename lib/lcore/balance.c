/* SPDX-License-Identifier: BSD-3-Clause */
#include "balance.h"

#include "vus_limits.h"

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static unsigned int least_busy(const uint32_t *lcore_load, unsigned int lcores)
{
	unsigned int least = 0;

	for (unsigned int i = 1; i < lcores; i++)
		if (lcore_load[i] < lcore_load[least])
			least = i;
	return least;
}

/* Of all queues: what it brings to take it to the lcore that has least to do. */
bool balance_find(const struct balance_queue *queues, unsigned int n, unsigned int lcores,
		  struct balance_move *move)
{
	uint32_t lcore_load[LCORES_MAX] = {0}, most = BALANCE_GAIN - 1;
	unsigned int to;

	for (unsigned int i = 0; i < n; i++)
		lcore_load[queues[i].lcore] += queues[i].load;
	to = least_busy(lcore_load, lcores);
	for (unsigned int i = 0; i < n; i++) {
		const struct balance_queue *q = &queues[i];
		uint32_t before = lcore_load[q->lcore];
		uint32_t after = larger(before - q->load, lcore_load[to] + q->load);

		if (q->backs_off || before < BALANCE_BUSY || after >= before || before - after <= most)
			continue;
		most = before - after;
		*move = (struct balance_move){
			.queue = i,
			.from = q->lcore,
			.to = (uint16_t)to,
			.load = q->load,
			.before = before,
			.after = after,
		};
	}
	return most >= BALANCE_GAIN;
}

bool balance_foresee(struct balance_queue *queues, unsigned int n, unsigned int lcores,
		     struct balance_move *move)
{
	if (!balance_find(queues, n, lcores, move))
		return false;
	queues[move->queue].lcore = move->to;
	queues[move->queue].backs_off = true;
	return true;
}

void balance_measure(struct balance_load *load, uint64_t cycles, uint64_t whole)
{
	uint64_t spent = cycles - load->cycles;
	uint32_t share = spent >= whole ? BALANCE_WHOLE : (uint32_t)(spent * BALANCE_WHOLE / whole);

	load->cycles = cycles;
	load->share = (load->share + share) / 2;
	if (load->stayed < UINT32_MAX)
		load->stayed++;
}

bool balance_backs_off(const struct balance_load *load)
{
	return load->stayed < load->backoff;
}

void balance_moved(struct balance_load *load)
{
	bool again = load->backoff > 0 && load->stayed < 4 * load->backoff;

	load->backoff = !again					  ? BALANCE_BACKOFF
			: load->backoff > BALANCE_BACKOFF_MAX / 2 ? BALANCE_BACKOFF_MAX
								  : 2 * load->backoff;
	load->stayed = 0;
}
