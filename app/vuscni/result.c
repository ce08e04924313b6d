/* SPDX-License-Identifier: BSD-3-Clause */
#include "result.h"

#include <string.h>

/* The list of an object, made if it is not there. */
static json_t *list_of(json_t *object, const char *key)
{
	if (!json_is_array(json_object_get(object, key)))
		json_object_set_new(object, key, json_array());
	return json_object_get(object, key);
}

/* IPAM knows of no interfaces: its addresses are the container's one. */
static void add_addresses(json_t *result, const json_t *from_ipam, size_t interface)
{
	json_t *entry, *copy;
	size_t i;

	json_array_foreach(json_object_get(from_ipam, "ips"), i, entry)
	{
		copy = json_deep_copy(entry);
		json_object_set_new(copy, "interface", json_integer((json_int_t)interface));
		json_array_append_new(list_of(result, "ips"), copy);
	}
	json_array_foreach(json_object_get(from_ipam, "routes"), i, entry)
		json_array_append_new(list_of(result, "routes"), json_deep_copy(entry));
	if (json_object_size(json_object_get(from_ipam, "dns")) > 0)
		json_object_set_new(result, "dns", json_deep_copy(json_object_get(from_ipam, "dns")));
}

json_t *result_make(const struct netconf *conf, const struct cni_args *args, const char *port, const char *socket,
		    const char *mac, const json_t *from_ipam)
{
	json_t *result = conf->prev_result != NULL ? json_deep_copy(conf->prev_result) : json_object();
	json_t *inside = json_pack("{s:s, s:s, s:s}", "name", args->ifname, "mac", mac, "sandbox", args->netns);
	json_t *interfaces = list_of(result, "interfaces");
	size_t index = json_array_size(interfaces);

	if (netconf_is_from(conf, "1.1.0"))
		json_object_set_new(inside, "socketPath", json_string(socket));
	if (json_array_append_new(interfaces, inside) != 0 ||
	    json_array_append_new(interfaces, json_pack("{s:s}", "name", port)) != 0) {
		json_decref(result);
		return NULL;
	}
	json_object_set_new(result, "cniVersion", json_string(conf->version));
	add_addresses(result, from_ipam, index);
	if (json_object_get(result, "dns") == NULL && json_is_object(json_object_get(conf->json, "dns")))
		json_object_set_new(result, "dns", json_deep_copy(json_object_get(conf->json, "dns")));
	return result;
}

bool result_has_interface(const json_t *result, const struct cni_args *args)
{
	json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(result, "interfaces"), i, entry)
	{
		const char *name = json_string_value(json_object_get(entry, "name"));
		const char *sandbox = json_string_value(json_object_get(entry, "sandbox"));

		if (name != NULL && sandbox != NULL && strcmp(name, args->ifname) == 0 && sandbox[0] != '\0')
			return true;
	}
	return false;
}
