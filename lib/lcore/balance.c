/* SPDX-License-Identifier: BSD-3-Clause */
#include "balance.h"

#include "vus_limits.h"

/* An lcore, with what would relieve it. */
struct busy {
	uint32_t load;
	uint32_t light;	   /* of all queues that are too light to be worth a move each */
	uint32_t best;	   /* the busier of the two lcores after the best move */
	unsigned int queue; /* the best; none while `best` is `load` */
};

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static unsigned int least_busy(const struct busy *lcore, unsigned int lcores)
{
	unsigned int least = 0;

	for (unsigned int i = 1; i < lcores; i++)
		if (lcore[i].load < lcore[least].load)
			least = i;
	return least;
}

/* What a queue's move to an lcore with `to` to do would be for the one it is on. */
static void consider(struct busy *from, const struct balance_queue *queues, unsigned int queue, uint32_t to, uint32_t mean,
		     uint32_t gain)
{
	const struct balance_queue *q = &queues[queue];
	uint32_t after = larger(from->load - q->load, to + q->load), best = larger(after, mean);

	if (q->backs_off || after >= from->load)
		return;
	if (q->load < gain)
		from->light += q->load;
	if (best < from->best || (best == from->best && q->load < queues[from->queue].load)) {
		from->best = best;
		from->queue = queue;
	}
}

static bool worth_it(const struct busy *lcore, uint32_t mean, uint32_t gain)
{
	return lcore->load >= BALANCE_BUSY && lcore->load >= mean + gain && lcore->best < lcore->load &&
	       (lcore->load - lcore->best >= gain || lcore->light >= gain);
}

/* Of the busiest lcore that it is worth it for. */
bool balance_find(const struct balance_queue *queues, unsigned int n, unsigned int lcores,
		  struct balance_move *move)
{
	struct busy lcore[LCORES_MAX] = {0}, *from = NULL;
	unsigned int to;
	uint64_t all = 0;
	uint32_t mean, gain;

	for (unsigned int i = 0; i < n; i++) {
		lcore[queues[i].lcore].load += queues[i].load;
		all += queues[i].load;
	}
	mean = (uint32_t)(all / lcores);
	gain = larger(mean / 10, BALANCE_GAIN);
	to = least_busy(lcore, lcores);
	for (unsigned int i = 0; i < lcores; i++)
		lcore[i].best = lcore[i].load;
	for (unsigned int i = 0; i < n; i++)
		if (lcore[queues[i].lcore].load >= mean + gain)
			consider(&lcore[queues[i].lcore], queues, i, lcore[to].load, mean, gain);
	for (unsigned int i = 0; i < lcores; i++)
		if (worth_it(&lcore[i], mean, gain) && (from == NULL || lcore[i].load > from->load))
			from = &lcore[i];
	if (from == NULL)
		return false;
	*move = (struct balance_move){
		.queue = from->queue,
		.from = (uint16_t)(from - lcore),
		.to = (uint16_t)to,
		.load = queues[from->queue].load,
		.before = from->load,
		.after = larger(from->load - queues[from->queue].load, lcore[to].load + queues[from->queue].load),
	};
	return true;
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
	uint32_t share = spent >= whole ? BALANCE_WHOLE : (uint32_t)((double)spent / (double)whole * BALANCE_WHOLE);

	load->cycles = cycles;
	load->share = (load->share + share) / 2;
	load->lasting = (load->lasting * (BALANCE_LASTING - 1) + share) / BALANCE_LASTING;
	if (load->stayed < UINT32_MAX)
		load->stayed++;
}

uint32_t balance_weight(const struct balance_load *load)
{
	uint32_t change = load->share > load->lasting ? load->share - load->lasting : load->lasting - load->share;

	return change >= BALANCE_SUDDEN ? load->share : load->lasting;
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
