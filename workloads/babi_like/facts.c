#include "workloads/babi_like/facts.h"

#include <stdio.h>
#include <string.h>

enum { PEOPLE = 5, THINGS = 3, PLACES = 6 };

static const char *const people[PEOPLE] = {"Alma", "Bruno", "Carla", "Dario", "Edda"};
static const char *const things[THINGS] = {"lamp", "rope", "map"};
/* the answers that the scorer knows */
static const char *const places[PLACES] = {"bathroom", "bedroom", "garden",
                                           "hallway",  "kitchen", "office"};

/* Where a thing has been, and which facts tell it. */
typedef struct history {
    int place[SBI_FACTS_MOST], told_by[SBI_FACTS_MOST], n;
} history;

typedef struct world {
    int     at[PEOPLE];       /* place, -1 not told yet */
    int     went_by[PEOPLE];  /* the fact that told it */
    int     owner[THINGS];    /* -1 nobody */
    int     taken_by[THINGS]; /* the fact that says who has it, or had it last */
    history of[THINGS];
} world;

static int below(sb_rng *r, int n) { return (int)sb_rng_below(r, (uint64_t)n); }

static int place_of(const world *w, int thing)
{
    return w->of[thing].n > 0 ? w->of[thing].place[w->of[thing].n - 1] : -1;
}

static void thing_is(world *w, int thing, int place, int fact)
{
    history *h = &w->of[thing];
    if (place_of(w, thing) == place)
        return;
    h->place[h->n]     = place;
    h->told_by[h->n++] = fact;
}

static void go(world *w, int person, sb_rng *r, int fact, char *text)
{
    static const char *const ways[] = {"walked to", "hurried to", "went into"};
    int                      to     = below(r, PLACES - 1);
    to += w->at[person] >= 0 && to >= w->at[person]; /* never where they are */
    w->at[person]      = to;
    w->went_by[person] = fact;
    for (int t = 0; t < THINGS; t++)
        if (w->owner[t] == person)
            thing_is(w, t, to, fact);
    (void)snprintf(text, SBI_FACT_BYTES, "%s %s the %s.", people[person], ways[below(r, 3)],
                   places[to]);
}

static int can_take(const world *w, int person, int thing)
{
    return w->at[person] >= 0 && w->owner[thing] < 0 &&
           (place_of(w, thing) < 0 || place_of(w, thing) == w->at[person]);
}

/* One fact. What cannot happen becomes a walk. */
static void happen(world *w, sb_rng *r, int fact, int with_things, char *text)
{
    int person = below(r, PEOPLE), thing = below(r, THINGS), what = below(r, 5);
    if (with_things && what < 2 && w->owner[thing] >= 0 && below(r, 3) == 0) {
        (void)snprintf(text, SBI_FACT_BYTES, "%s put down the %s.", people[w->owner[thing]],
                       things[thing]);
        w->owner[thing] = -1;
    } else if (with_things && what < 3 && can_take(w, person, thing)) {
        w->owner[thing]    = person;
        w->taken_by[thing] = fact;
        thing_is(w, thing, w->at[person], w->went_by[person]);
        (void)snprintf(text, SBI_FACT_BYTES, "%s picked up the %s.", people[person], things[thing]);
    } else {
        go(w, person, r, fact, text);
    }
}

static void ask_person(const world *w, sb_rng *r, sbi_facts *out)
{
    int person = below(r, PEOPLE);
    while (w->at[person] < 0)
        person = (person + 1) % PEOPLE;
    (void)snprintf(out->question, SBI_FACT_BYTES, "Where is %s?", people[person]);
    out->answer                       = places[w->at[person]];
    out->supports[w->went_by[person]] = 1;
}

/* The last place comes but once: "before" has one meaning. */
static int can_ask(const world *w, int thing, int before)
{
    const history *h = &w->of[thing];
    if (h->n < (before ? 2 : 1))
        return 0;
    for (int i = 0; before && i < h->n - 1; i++)
        if (h->place[i] == h->place[h->n - 1])
            return 0;
    return 1;
}

static int ask_thing(const world *w, sb_rng *r, int before, sbi_facts *out)
{
    int            first = below(r, THINGS), thing = first;
    const history *h;
    while (!can_ask(w, thing, before)) {
        thing = (thing + 1) % THINGS;
        if (thing == first)
            return 0;
    }
    h = &w->of[thing];
    if (before)
        (void)snprintf(out->question, SBI_FACT_BYTES, "Where was the %s before the %s?",
                       things[thing], places[h->place[h->n - 1]]);
    else
        (void)snprintf(out->question, SBI_FACT_BYTES, "Where is the %s?", things[thing]);
    out->answer                       = places[h->place[h->n - 1 - before]];
    out->supports[w->taken_by[thing]] = 1;
    for (int i = h->n - 1 - before; i < h->n; i++)
        out->supports[h->told_by[i]] = 1;
    return 1;
}

static int try_once(sbi_fact_kind kind, int n, sb_rng *r, sbi_facts *out)
{
    world w;
    memset(&w, 0, sizeof w);
    memset(out, 0, sizeof *out);
    for (int i = 0; i < PEOPLE; i++)
        w.at[i] = -1;
    for (int i = 0; i < THINGS; i++)
        w.owner[i] = -1;
    out->n = n;
    for (int i = 0; i < n; i++)
        happen(&w, r, i, kind != SBI_ASK_PERSON, out->text[i]);
    if (kind == SBI_ASK_PERSON) {
        ask_person(&w, r, out);
        return 1;
    }
    return ask_thing(&w, r, kind == SBI_ASK_BEFORE, out);
}

void sbi_facts_make(sbi_fact_kind kind, int n, sb_rng rng, sbi_facts *out)
{
    while (!try_once(kind, n, &rng, out)) /* about one world in three has no such question */
        ;
}
