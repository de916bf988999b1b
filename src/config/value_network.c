// The lines of spec.network.deny.
#include "config/internal.h"

enum { MAX_NET_DENY = 1024 };

static const struct net_denial {
    const char *name;
    enum net_deny_type type;
} denials[] = {
    {"cidr", NET_DENY_CIDR},
    {"host", NET_DENY_HOST},
    {"metadata", NET_DENY_METADATA},
    {"any", NET_DENY_ANY},
};

static bool line_value(struct reading *r, const struct net_denial *d, const struct yaml *v,
                       struct net_deny *ret)
{
    if (d->type != NET_DENY_CIDR) {
        if (v->type == YAML_SCALAR && !v->quoted && str_eq(v->scalar, STR("true")))
            return true;
        read_error(r, v, "BH208", "leave the line out to allow it", "'%s' can only be true",
                   d->name);
        return false;
    }
    if (v->type == YAML_SCALAR && cidr_parse(v->scalar, &ret->cidr) == 0)
        return true;
    read_error(r, v, "BH208", "for example: cidr: 10.0.0.0/8", "'cidr' wants a network");
    return false;
}

static bool line_read(struct reading *r, const struct yaml *y, struct net_deny *ret)
{
    const char *names[ARRAY_SIZE(denials)];
    for (size_t i = 0; i < ARRAY_SIZE(denials); i++)
        names[i] = denials[i].name;
    if (y->type != YAML_MAP || y->n != 1) {
        read_error(r, y, "BH207", "for example: - metadata: true",
                   "a line of 'deny' holds exactly one of cidr, host, metadata, any");
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(denials); i++)
        if (str_eq(y->keys[0]->scalar, str_of(names[i]))) {
            *ret = (struct net_deny){.type = denials[i].type, .line = y->keys[0]->line};
            return line_value(r, &denials[i], y->items[0], ret);
        }
    char hint[256] = "", word[65];
    snprintf(word, sizeof(word), STR_FMT, STR_ARG(value_shown(y->keys[0]->scalar)));
    read_error(r, y->keys[0], "BH205",
               hint_nearest(hint, sizeof(hint), word, names, ARRAY_SIZE(names), "there are: "),
               "unknown key '%s'", word);
    return false;
}

static size_t count_in(const struct key *k, const void *at)
{
    return *(const size_t *)((const char *)at - k->offset + k->count_offset);
}

static void net_deny_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    if (!value_want_type(r, k, y, YAML_LIST))
        return;
    if (y->n > MAX_NET_DENY) {
        read_error(r, y, "BH214", NULL, "'%s' has more than %d items", k->name, MAX_NET_DENY);
        return;
    }
    struct net_deny *list = arena_alloc(r->arena, MAX(y->n, (size_t)1) * sizeof(*list));
    size_t n = 0;
    for (size_t i = 0; list && i < y->n; i++)
        n += line_read(r, y->items[i], &list[n]);
    *(struct net_deny **)at = list;
    *(size_t *)((char *)at - k->offset + k->count_offset) = n;
}

static void net_deny_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    const struct net_deny *list = *(struct net_deny *const *)at;
    size_t n = count_in(k, at);
    if (n)
        buf_char(out, '\n');
    for (size_t i = 0; i < n; i++) {
        print_indent(out, indent);
        buf_printf(out, "- %s: ", denials[list[i].type].name);
        if (list[i].type == NET_DENY_CIDR)
            cidr_print(&list[i].cidr, out);
        else
            buf_text(out, "true");
        buf_char(out, '\n');
    }
}

static void net_deny_schema(const struct key *k, const void *defaults, struct json *j)
{
    json_kcstr(j, "type", "array");
    json_ku64(j, "maxItems", MAX_NET_DENY);
    json_key(j, "items");
    json_object(j);
    json_key(j, "oneOf");
    json_array(j);
    for (size_t i = 0; i < ARRAY_SIZE(denials); i++) {
        json_object(j);
        json_kcstr(j, "type", "object");
        json_kbool(j, "additionalProperties", false);
        json_key(j, "required");
        json_array(j);
        json_cstr(j, denials[i].name);
        json_array_end(j);
        json_key(j, "properties");
        json_object(j);
        json_key(j, denials[i].name);
        json_raw(j, denials[i].type == NET_DENY_CIDR ? STR("{\"type\":\"string\",\"maxLength\":64}")
                                                     : STR("{\"const\":true}"));
        json_object_end(j);
        json_object_end(j);
    }
    json_array_end(j);
    json_object_end(j);
}

const struct value_type value_net_deny = {net_deny_read, net_deny_print, net_deny_schema};
