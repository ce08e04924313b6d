/* SPDX-License-Identifier: BSD-3-Clause */
/* config_like.c: the port, the bridge or the profile that was meant by a name that is not there. */
#include "config.h"

struct like_hint config_like_port(const struct config *config, const char *name)
{
	struct like like = {.written = name};

	for (unsigned int i = 0; i < config->ports_n; i++)
		like_try(&like, config->ports[i].name);
	return like_hint(&like);
}

struct like_hint config_like_bridge(const struct config *config, const char *name)
{
	struct like like = {.written = name};

	for (unsigned int i = 0; i < config->bridges_n; i++)
		like_try(&like, config->bridges[i].name);
	return like_hint(&like);
}

struct like_hint config_like_profile(const struct config *config, const char *name)
{
	struct like like = {.written = name};

	for (unsigned int i = 0; i < config->profiles_n; i++)
		like_try(&like, config->profiles[i].name);
	return like_hint(&like);
}
