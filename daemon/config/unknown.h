/* SPDX-License-Identifier: MIT */
#pragma once
/* Refusals of names that no key or section has. */

/* Log that `name` ("section.key") is unknown, with the nearest key and the allowed ones
 * of its section, or with the sections. Return -EINVAL. */
int config_key_unknown(const char *origin, const char *name);
int config_section_unknown(const char *origin, const char *section);
