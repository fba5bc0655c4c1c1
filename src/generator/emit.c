/* SPDX-License-Identifier: MIT
 *
 * emit.c - a run of the emitter, in its order: read the manifests, order the libraries, name everything, make the
 * functions, write the text of each header, put the headers onto the disk. A pure function of manifests and table.
 */
#include "bindings.h"

#include <stdlib.h>
#include <string.h>

#include "snakebridge.h"

void sbg_line(struct sbg_lines *lines, const char *format, ...)
{
    struct sbg_text text = { 0 };
    va_list args;
    va_start(args, format);
    sbg_addv(&text, format, args);
    va_end(args);
    if (lines->count == lines->room) {
        lines->room = lines->room ? lines->room * 2 : 64;
        lines->text = sbg_resize(lines->text, lines->room * sizeof *lines->text);
    }
    lines->text[lines->count++] = text.ptr;
}

static int by_line(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_lines(struct sbg_lines *lines)
{
    if (!lines->count)
        return;
    qsort(lines->text, lines->count, sizeof *lines->text, by_line);
    size_t kept = 1;
    for (size_t i = 1; i < lines->count; i++)
        if (strcmp(lines->text[i], lines->text[kept - 1]) == 0)
            free(lines->text[i]);
        else
            lines->text[kept++] = lines->text[i];
    lines->count = kept;
}

static void free_lines(struct sbg_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->text[i]);
    free(lines->text);
}

void sbg_report_free(struct sbg_report *report)
{
    free_lines(&report->headers);
    free_lines(&report->renames);
    free_lines(&report->dynamic);
    free(report->error);
    memset(report, 0, sizeof *report);
}

/* ---- libraries in the order of dependency ---- */

static int by_library_name(const void *a, const void *b)
{
    const struct sbg_library *x = a, *y = b;
    if (x->standard != y->standard)
        return x->standard ? -1 : 1;
    return strcmp(x->name, y->name);
}

static bool owns(const struct sbg_library *library, const char *key)
{
    size_t len = strlen(library->name);
    return strncmp(key, library->name, len) == 0 && key[len] == '.';
}

/* A class that several manifests describe belongs to the library it is named after, else to the first. */
static void bind_classes(struct sbg_bindings *b)
{
    for (size_t l = 0; l < b->library_count; l++)
        for (size_t i = 0; i < b->libraries[l].class_count; i++) {
            struct sbg_class *c = &b->libraries[l].classes[i];
            if (!sbg_map_get(&b->classes, c->key) || owns(c->library, c->key))
                sbg_map_put(&b->classes, c->key, c);
        }
}

struct order {
    struct sbg_bindings *b;
    bool *needs; /* [library][library] */
    char *state; /* 0 new, 1 open, 2 done */
    size_t *sorted, count;
};

static void need_class(struct order *o, size_t library, const char *key)
{
    const struct sbg_class *c = sbg_find_class(o->b, key);
    if (c)
        o->needs[library * o->b->library_count + (size_t)(c->library - o->b->libraries)] = true;
}

static void need_type(struct order *o, size_t library, const struct sbg_type *type)
{
    if (type->kind == SBG_INST)
        need_class(o, library, type->name);
    for (size_t i = 0; i < type->item_count; i++)
        need_type(o, library, type->items[i]);
}

static void need_sigs(struct order *o, size_t library, const struct sbg_sigs *sigs)
{
    for (size_t i = 0; i < sigs->count; i++) {
        need_type(o, library, sigs->sig[i].returns);
        for (size_t p = 0; p < sigs->sig[i].count; p++)
            need_type(o, library, sigs->sig[i].params[p].type);
    }
}

static void need_of_library(struct order *o, size_t library, bool bases_only)
{
    const struct sbg_library *l = &o->b->libraries[library];
    for (size_t i = 0; i < l->class_count; i++) {
        const struct sbg_class *c = &l->classes[i];
        for (size_t m = 0; m < c->mro_count; m++)
            need_class(o, library, c->mro[m]);
        for (size_t m = 0; m < c->member_count && !bases_only; m++) {
            need_sigs(o, library, &c->members[m].sigs);
            need_type(o, library, c->members[m].type);
        }
        if (!bases_only)
            need_sigs(o, library, &c->sigs);
    }
    for (size_t m = 0; m < l->module_count && !bases_only; m++)
        for (size_t i = 0; i < l->modules[m].symbol_count; i++)
            need_sigs(o, library, &l->modules[m].symbols[i].sigs);
    for (size_t i = 0; i < l->alias_count && !bases_only; i++)
        need_type(o, library, l->aliases[i].target);
}

static void visit(struct order *o, size_t library)
{
    if (o->state[library])
        return; /* done, or a cycle, which is cut here */
    o->state[library] = 1;
    size_t n = o->b->library_count;
    for (int pass = 0; pass < 2;
         pass++) { /* what it inherits from first: a cycle is cut elsewhere */
        memset(o->needs + library * n, 0, n);
        need_of_library(o, library, pass == 0);
        bool *needs = SBG_ARRAY(&o->b->arena, bool, n);
        memcpy(needs, o->needs + library * n, n);
        for (size_t i = 0; i < n; i++)
            if (needs[i])
                visit(o, i);
    }
    o->sorted[o->count++] = library;
}

/* After the libraries were moved: what points to them points to their new places. */
static void set_libraries(struct sbg_bindings *b)
{
    for (size_t l = 0; l < b->library_count; l++) {
        struct sbg_library *library = &b->libraries[l];
        for (size_t i = 0; i < library->class_count; i++)
            library->classes[i].library = library;
        for (size_t i = 0; i < library->alias_count; i++)
            library->aliases[i].library = library;
        for (size_t i = 0; i < library->typevar_count; i++)
            library->typevars[i].library = library;
        for (size_t i = 0; i < library->module_count; i++) {
            library->modules[i].library = library;
            for (size_t s = 0; s < library->modules[i].symbol_count; s++)
                library->modules[i].symbols[s].module = &library->modules[i];
        }
    }
}

static void order_libraries(struct sbg_bindings *b)
{
    size_t n = b->library_count;
    struct order o = { b, SBG_ARRAY(&b->arena, bool, n *n), SBG_ARRAY(&b->arena, char, n),
                       SBG_ARRAY(&b->arena, size_t, n), 0 };
    bind_classes(b);
    for (size_t i = 0; i < n; i++)
        visit(&o, i);
    struct sbg_library *sorted = SBG_ARRAY(&b->arena, struct sbg_library, n);
    for (size_t i = 0; i < n; i++)
        sorted[i] = b->libraries[o.sorted[i]];
    b->libraries = sorted;
    set_libraries(b);
}

static void bind_tables(struct sbg_bindings *b)
{
    for (size_t l = 0; l < b->library_count; l++) {
        struct sbg_library *library = &b->libraries[l];
        for (size_t i = 0; i < library->alias_count; i++)
            if (!sbg_map_get(&b->aliases, library->aliases[i].name) ||
                owns(library, library->aliases[i].name))
                sbg_map_put(&b->aliases, library->aliases[i].name, &library->aliases[i]);
        for (size_t i = 0; i < library->typevar_count; i++)
            if (!sbg_map_get(&b->typevars, library->typevars[i].name))
                sbg_map_put(&b->typevars, library->typevars[i].name, &library->typevars[i]);
    }
}

static int read_all(struct sbg_bindings *b, const struct sbg_emit_options *options,
                    struct sbg_text *error)
{
    b->libraries = SBG_ARRAY(&b->arena, struct sbg_library, options->manifest_count);
    for (size_t i = 0; i < options->manifest_count; i++)
        if (sbg_read_manifest(&b->arena, options->manifests[i], &b->libraries[i], error))
            return -1;
    b->library_count = options->manifest_count;
    qsort(b->libraries, b->library_count, sizeof *b->libraries, by_library_name);
    for (size_t i = 1; i < b->library_count; i++)
        if (strcmp(b->libraries[i - 1].name, b->libraries[i].name) == 0) {
            sbg_addf(error, "%s: library: \"%s\" is in %s too", b->libraries[i].file,
                     b->libraries[i].name, b->libraries[i - 1].file);
            return -1;
        }
    set_libraries(b);
    order_libraries(b);
    bind_tables(b);
    return 0;
}

/* ---- functions, made before any header refers to them ---- */

static void make_functions(struct sbg_bindings *b, struct sbg_module *m)
{
    for (size_t i = 0; i < m->symbol_count; i++) {
        struct sbg_symbol *s = &m->symbols[i];
        if (!s->c_name || s->origin != s)
            continue;
        const struct sbg_source source = {
            .library = m->library,
            .python = sbg_printf(&b->arena, "%s.%s", m->name, s->name),
            .path = sbg_printf(&b->arena, "%s:%s", m->name, s->name),
            .c_name = s->c_name,
            .doc = s->doc,
            .enum_name = s->c_name,
            .op = 'f',
            .sigs = &s->sigs,
            .async = s->async,
            .streaming = s->streaming,
        };
        s->function_count = sbg_make_functions(b, &source, &s->functions);
    }
}

/* ---- headers ---- */

static int by_header(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_includes(struct sbg_text *to, struct sbg_header *h)
{
    const char **names = SBG_ARRAY(&h->b->arena, const char *, h->includes.count);
    size_t n = 0;
    for (size_t i = 0; i < h->includes.room; i++)
        if (h->includes.slots[i].key && strcmp(h->includes.slots[i].key, h->name) != 0)
            names[n++] = h->includes.slots[i].key;
    qsort(names, n, sizeof *names, by_header);
    for (size_t i = 0; i < n; i++)
        sbg_addf(to, "#include \"%s\"\n", names[i]);
}

static const char *guard_of(struct sbg_bindings *b, const char *header)
{
    char *guard = sbg_printf(&b->arena, "SB_%s_", header);
    for (char *p = guard; *p; p++)
        if (*p == '/' || *p == '.')
            *p = '_';
    const char *word = sbg_word(&b->arena, guard);
    while (sbg_map_get(&b->claimed, word))
        word = sbg_printf(&b->arena, "%sx", word);
    sbg_map_put(&b->claimed, word, (void *)(size_t)1);
    return word;
}

static struct sbg_file finish(struct sbg_header *h)
{
    struct sbg_text text = { 0 };
    const struct sbg_library *l = h->library;
    const char *guard = guard_of(h->b, h->name);
    sbg_addf(&text, SBG_MARK " " SB_VERSION " from ");
    if (l->standard)
        sbg_add(&text, "the standard library of ");
    else if (l->distribution)
        sbg_addf(&text, "%s %s, ", l->distribution, l->version ? l->version : "");
    else
        sbg_addf(&text, "%s, ", l->name);
    sbg_addf(&text, "Python %s. Do not edit. */\n", l->python ? l->python : "");
    sbg_addf(&text,
             "#ifndef %s\n#define %s\n#ifndef __clang__\n#pragma GCC system_header\n#endif\n"
             "#include <snakebridge_gen.h>\n#include \"py/_project.h\"\n",
             guard, guard);
    add_includes(&text, h);
    sbg_addf(
        &text,
        "#if SB_ABI != %d\n#error \"%s was generated for another snakebridge; run: snakebridge "
        "generate\"\n#endif\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n",
        SB_ABI, h->name);
    sbg_add_bytes(&text, h->body.ptr ? h->body.ptr : "", h->body.len);
    sbg_add(&text, "#ifdef __cplusplus\n} /* extern \"C\" */\n#endif\n#endif\n");
    sbg_text_free(&h->body);
    sbg_map_free(&h->includes);
    return (struct sbg_file) { h->name, text.ptr, text.len };
}

static void add_field(struct sbg_text *to, const char *name, const char *value)
{
    sbg_addf(to, "    .%s = ", name);
    if (value)
        sbg_add_c_string(to, value);
    else
        sbg_add(to, "NULL");
    sbg_add(to, ",\n");
}

static struct sbg_file make_project(const struct sbg_project_table *project)
{
    static const struct sbg_project_table none;
    const struct sbg_project_table *p = project ? project : &none;
    struct sbg_text text = { 0 };
    sbg_add(&text, SBG_MARK " " SB_VERSION ". Do not edit. */\n"
                            "#ifndef SB_py__project_h_\n#define SB_py__project_h_\n"
                            "#include <snakebridge.h>\n"
                            "#ifdef __cplusplus\nextern \"C\" {\n#endif\n");
    bool path = p->python_path && p->python_path[0];
    if (path) {
        sbg_add(&text, "static const char *const sb_project_path_[] = {\n");
        for (const char *const *one = p->python_path; *one; one++) {
            sbg_add(&text, "    ");
            sbg_add_c_string(&text, *one);
            sbg_add(&text, ",\n");
        }
        sbg_add(&text, "    NULL,\n};\n");
    }
    sbg_add(&text, "const sb_project sb_project_ = { /* weak, as declared: in each file, once in a "
                   "program */\n"
                   "    .size = sizeof(sb_project),\n");
    add_field(&text, "python", p->python);
    add_field(&text, "engine", p->engine);
    add_field(&text, "transport", p->transport);
    sbg_addf(&text, "    .python_path = %s,\n", path ? "sb_project_path_" : "NULL");
    add_field(&text, "root", p->root);
    add_field(&text, "libpython", p->libpython);
    add_field(&text, "error_detail", p->error_detail);
    sbg_add(&text, "};\n#ifdef __cplusplus\n} /* extern \"C\" */\n#endif\n#endif\n");
    return (struct sbg_file) { "py/_project.h", text.ptr, text.len };
}

static int by_file(const void *a, const void *b)
{
    return strcmp(((const struct sbg_file *)a)->name, ((const struct sbg_file *)b)->name);
}

int sbg_emit(const struct sbg_emit_options *options, struct sbg_report *report)
{
    struct sbg_bindings b = { .report = report };
    struct sbg_text error = { 0 };
    memset(report, 0, sizeof *report);
    int status = read_all(&b, options, &error);
    if (status)
        goto done;
    sbg_assign_names(&b);

    size_t room = 1 + b.library_count, count = 0;
    for (size_t l = 0; l < b.library_count; l++)
        room += b.libraries[l].module_count;
    struct sbg_file *files = SBG_ARRAY(&b.arena, struct sbg_file, room);
    for (size_t l = 0; l < b.library_count; l++)
        for (size_t m = 0; m < b.libraries[l].module_count; m++)
            make_functions(&b, &b.libraries[l].modules[m]);
    for (size_t l = 0; l < b.library_count; l++)
        for (size_t m = 0; m < b.libraries[l].module_count; m++) {
            struct sbg_module *module = &b.libraries[l].modules[m];
            struct sbg_header h = { .b = &b, .library = module->library, .name = module->header };
            if (!module->public)
                continue;
            sbg_need_library(&h, module->library);
            sbg_emit_module(&h, module);
            files[count++] = finish(&h);
        }
    sbg_map_fields(&b);
    for (size_t l = 0; l < b.library_count; l++) {
        struct sbg_library *library = &b.libraries[l];
        struct sbg_header h = { .b = &b, .library = library, .name = library->types_header };
        sbg_emit_types(&h);
        files[count++] = finish(&h);
    }
    files[count++] = make_project(options->project);
    qsort(files, count, sizeof *files, by_file);
    status = sbg_write_files(options->output, files, count, report, &error);
    for (size_t i = 0; i < count; i++) {
        if (!status)
            sbg_line(&report->headers, "%s", files[i].name);
        free((char *)(uintptr_t)files[i].text);
    }
done:
    sort_lines(&report->renames);
    sort_lines(&report->dynamic);
    report->error = error.ptr;
    sbg_map_free(&b.classes);
    sbg_map_free(&b.aliases);
    sbg_map_free(&b.typevars);
    sbg_map_free(&b.claimed);
    sbg_map_free(&b.reserved);
    sbg_map_free(&b.enums);
    sbg_map_free(&b.acceptors);
    sbg_map_free(&b.callbacks);
    free(b.enum_list);
    free(b.acceptor_list);
    free(b.callback_list);
    sbg_arena_free(&b.arena);
    return status;
}
