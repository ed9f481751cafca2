/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The keys and values in an answer of etcd. A region of 16,000 hosts has 17 MB of them, and a
 * JSON object for each takes longer than all else that is done with a list. So `kvs` stays text:
 * objects without objects in them, whose strings are base64 or numbers. Pure.
 */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* json_loads(), but `kvs` of the object is a string, which etcd_pairs_next() reads. */
json_t *etcd_pairs_load(const char *text);

struct etcd_text {
        const char *at; /* not NUL-terminated */
        size_t length;
};

struct etcd_pair {
        struct etcd_text key, value; /* base64; `at` is NULL where there is none */
        int64_t modified;            /* 0: there is none; -1: it is no number */
};

/* Takes the next one off *kvs. 1; 0: there is none; -EIO: this is no list of them. */
int etcd_pairs_next(const char **kvs, struct etcd_pair *ret);
