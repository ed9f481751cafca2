/* SPDX-License-Identifier: MIT */
#pragma once

/* A directory and all below it, as far as it can be. */
void remove_tree(const char *directory);
