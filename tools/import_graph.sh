#!/usr/bin/env bash
# Fails with the offending line for a circle of imports, an import of a higher layer, a file of more than
# 300 lines, or a function of more than 50. What is there for tests only counts for a file's length alone.
#   import_graph.sh                this repository's code
#   import_graph.sh ROOT           the files below ROOT, in the layers of src
#   import_graph.sh --check-itself whether it finds what is wrong in a sample
set -euo pipefail
layers="pg config shmem store app http calls=worker api lib" # from the bottom; = joins two of one layer
max_file=300 max_function=50

# check ROOT LAYERS: the files of one crate; LAYERS may be empty.
check() {
  local file files=()
  while read -r file; do
    if tests_only "$file"; then files+=(only_tests=1); else files+=(only_tests=0); fi
    files+=("$file")
  done < <(find "$1" -name '*.rs' | LC_ALL=C sort)
  # Twice for the re-exports, since one may be of another; then for the rest.
  awk -v root="$1/" -v layers="$2" -v max_file=$max_file -v max_function=$max_function '
    function complain(text) { print text; failed = 1 }

    # src/store/mod.rs -> store, src/store/load.rs -> store/load, src/lib.rs -> lib
    function module_of(path) {
      path = substr(path, length(root) + 1); sub(/\.rs$/, "", path); sub(/\/mod$/, "", path)
      return path
    }
    function parent_of(module) { return sub(/\/[^\/]*$/, "", module) ? module : "lib" }

    # The module in which a path like a::b::Name is defined, re-exports followed; "" for what is not ours.
    function resolve(path,   module, rest, next_one) {
      module = ""; rest = path
      while (rest != "") {
        next_one = rest; sub(/::.*/, "", next_one)
        rest = index(rest, "::") ? substr(rest, index(rest, "::") + 2) : ""
        if ((module == "" ? next_one : module "/" next_one) in is_module)
          module = module == "" ? next_one : module "/" next_one
        else if (((module == "" ? "lib" : module), next_one) in exported)
          return exported[(module == "" ? "lib" : module), next_one]
        else break
      }
      return module == "" ? "lib" : module
    }

    # crate::a, super::a and, in a parent, its child a, as a path from the root of the crate.
    function absolute(path,   head) {
      if (path ~ /^crate::/) return substr(path, 8)
      if (path ~ /^super::/) {
        head = parent_of(current); gsub(/\//, "::", head)
        return (head == "lib" ? "" : head "::") substr(path, 8)
      }
      if (path ~ /^self::/) path = substr(path, 7)
      head = path; sub(/::.*/, "", head)
      if (!((current == "lib" ? head : current "/" head) in is_module)) return ""
      head = current; gsub(/\//, "::", head)
      return (head == "lib" ? "" : head "::") path
    }

    # Calls imported() for each path of a use declaration, braces expanded.
    function expand(prefix, list,   depth, i, c, item) {
      depth = 0; item = ""
      for (i = 1; i <= length(list) + 1; i++) {
        c = i > length(list) ? "," : substr(list, i, 1)
        if (c == "{") depth++
        if (c == "}") depth--
        if (c != "," || depth > 0) { item = item c; continue }
        if (index(item, "{"))
          expand(prefix substr(item, 1, index(item, "{") - 1), substr(item, index(item, "{") + 1, length(item) - index(item, "{") - 1))
        else if (item != "") imported(prefix item)
        item = ""
      }
    }
    function imported(path,   name, full) {
      name = path; sub(/ as .*/, "", path)
      if (!sub(/.* as /, "", name)) { sub(/::self$/, "", name); sub(/.*::/, "", name) }
      sub(/::self$/, "", path)
      full = absolute(path)
      if (full == "") return
      if (phase == 1) { if (is_public) exported[current, name] = resolve(full); return }
      slashes = full; gsub(/::/, "/", slashes)
      if (slashes in is_module) local[name] = full   # its uses below are the arrows
      else if (!is_public) arrow(resolve(full))
    }
    function arrow(to) {
      if (to == current || to == "" || (current, to) in where) return
      where[current, to] = FILENAME ":" FNR ": " shown
      arrows[current] = arrows[current] " " to
      if (layers != "" && rank(to) > rank(current))
        complain(FILENAME ":" FNR ": " shown "\n    " to " is in a higher layer (" layers ")")
    }
    function rank(module) {
      sub(/\/.*/, "", module)
      if (!(module in layer)) { complain(module " is in no layer"); layer[module] = 0 }
      return layer[module]
    }

    # The use declaration or line of code that was just read.
    function statement(text,   path, full) {
      if (match(text, /^ *(pub(\([a-z]+\))? )?use /)) {
        is_public = text ~ /^ *pub/
        sub(/^ *(pub(\([a-z]+\))? )?use /, "", text); sub(/;.*/, "", text)
        gsub(/  +/, " ", text); gsub(/\{ /, "{", text); gsub(/,? \}/, "}", text); gsub(/, /, ",", text)
        expand("", text)
        return
      }
      if (phase == 1) return
      while (match(text, /[A-Za-z_][A-Za-z_0-9]*(::[A-Za-z_][A-Za-z_0-9]*)*/)) {
        path = substr(text, RSTART, RLENGTH); text = substr(text, RSTART + RLENGTH)
        head = path; sub(/::.*/, "", head)
        full = ""
        if (index(path, "::")) full = head in local ? local[head] substr(path, length(head) + 1) : absolute(path)
        else if ((current, path) in exported) { arrow(exported[current, path]); continue }
        if (full != "") arrow(resolve(full))
      }
    }

    # Depth first; on_path holds the way from the start to here.
    function visit(module, trail,   i, n, next_ones, to, text) {
      state[module] = 1
      n = split(arrows[module], next_ones, " ")
      for (i = 1; i <= n; i++) {
        to = next_ones[i]
        if (state[to] == 1) {
          text = trail " " module " " to " "
          text = substr(text, index(text, " " to " "))
          complain("circle:"); explain(text)
        } else if (state[to] != 2) visit(to, trail " " module)
      }
      state[module] = 2
    }
    function explain(text,   i, n, steps) {
      n = split(text, steps, " ")
      for (i = 1; i < n; i++) print "    " steps[i] " -> " steps[i + 1] "  " where[steps[i], steps[i + 1]]
    }

    BEGIN {
      n = split(layers, all, " ")
      for (i = 1; i <= n; i++) { m = split(all[i], same, "="); for (j = 1; j <= m; j++) layer[same[j]] = i }
      for (i = 1; i < ARGC; i++) if (ARGV[i] !~ /=/) { is_module[module_of(ARGV[i])] = 1 }
    }
    FNR == 1 {
      if (last_phase == 2 && lines > max_file) complain(last ": " lines " lines, more than " max_file)
      last = FILENAME; last_phase = phase; current = module_of(FILENAME); tests = 0; pending = ""; fn = ""
      for (name in local) delete local[name]
    }
    { lines = FNR }
    /^ *#\[cfg\((any\()?test/ { tests = 1 }
    tests || only_tests { next }
    phase == 2 && fn == "" && /^ *(pub(\([a-z]+\))? )?(const )?(unsafe )?(extern "[^"]*" )?fn / {
      match($0, /^ */); indent = RLENGTH; fn = $0; began = FNR
    }
    phase == 2 && fn != "" && /^ *}$/ {
      match($0, /^ */)
      if (RLENGTH == indent) {
        if (FNR - began + 1 > max_function) complain(FILENAME ":" began ": " fn "\n    " FNR - began + 1 " lines, more than " max_function)
        fn = ""
      }
    }
    phase == 2 && fn != "" && /(;|})$/ && FNR == began { fn = "" }
    {
      sub(/\/\/.*/, "")
      if (pending == "" && $0 !~ /^ *(pub(\([a-z]+\))? )?use /) { shown = $0; sub(/^ */, "", shown); statement($0); next }
      pending = pending " " $0
      if (index($0, ";")) { sub(/^ */, "", pending); shown = pending; gsub(/  +/, " ", shown); statement(pending); pending = "" }
    }
    END {
      if (lines > max_file) complain(last ": " lines " lines, more than " max_file)
      for (module in is_module) if (!state[module]) visit(module, "")
      exit failed
    }' phase=1 "${files[@]}" phase=1 "${files[@]}" phase=2 "${files[@]}"
}

# Whether a file is declared under #[cfg(test)].
tests_only() {
  case "$1" in */tests.rs | */tests/*) return 0 ;; esac
  local folder name
  folder=$(dirname "$1") name=$(basename "$1" .rs)
  { grep -hs -A1 '^#\[cfg(test)\]' "$folder/mod.rs" "$folder/lib.rs" "$folder.rs" || true; } | grep -q "^mod $name;"
}

# A sample with one mistake of each kind; each must be found, and nothing else.
check_itself() {
  local sample found
  sample=$(mktemp -d)
  trap "rm -rf '$sample'" EXIT
  mkdir "$sample/pg" "$sample/store"
  printf 'mod pg;\nmod store;\n' >"$sample/lib.rs"
  printf 'pub mod latch;\n' >"$sample/pg/mod.rs"
  printf 'use crate::{\n    store,\n};\nfn up() {\n    store::load();\n}\n' >"$sample/pg/latch.rs"
  printf 'mod load;\nmod save;\npub use load::load;\n' >"$sample/store/mod.rs"
  printf 'use super::save::save;\npub fn load() {}\n' >"$sample/store/load.rs"
  { printf 'use crate::store;\npub fn save() {\n    store::load();\n'; printf '    let _ = 1;\n%.0s' {1..50}; printf '}\n'
    printf '// a line\n%.0s' {1..300}; } >"$sample/store/save.rs"
  found=$("$0" "$sample") && { echo "import_graph.sh finds nothing in a sample"; return 1; }
  for wanted in 'pg/latch.rs:5: store::load();' 'store/load is in a higher layer' 'circle:' \
    'store/load.rs:1: use super::save::save;' '53 lines, more than 50' '354 lines, more than 300'; do
    grep -qF "$wanted" <<<"$found" || { printf 'import_graph.sh does not find "%s" in:\n%s\n' "$wanted" "$found"; return 1; }
  done
}

failed=0
case "${1:-}" in
  --check-itself) check_itself || failed=1 ;;
  "")
    cd "$(dirname "$0")/.."
    check src "$layers" || failed=1
    for root in crates/*/src; do check "$root" "" || failed=1; done ;;
  *) check "$1" "$layers" || failed=1 ;;
esac
exit "$failed"
