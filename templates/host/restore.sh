# Put the module tree $1 back to what system $2 was built from; a system without our module had none of our files.
# Sourced by build.sh and way_back.sh as a function, so that both restore alike. Only files of ours are touched: the
# directory may be a git work tree, or hold what a person has put there.
ours() {
  find . \( -path './.supabase-*' -o -path '*/*.supabase-new' -o -path './*/*/*' \) -prune -o -type f \( -path './instances/*.json' -o \
    -path './secrets/*.age' -o \( ! -path './*/*' \( -name '*.nix' -o -name images.json -o -name numbers.json -o -name host.json \) \) \) -print
}
restore_tree() {
  [ -d "$1" ] || return 0
  tree=$1 source=$2/etc/supabase/source
  if [ -d "$source/" ]; then
    (cd "$source/" && ours) | while IFS= read -r file; do
      cmp -s "$source/$file" "$tree/$file" && continue
      mkdir -p "$(dirname "$tree/$file")"
      cp "$source/$file" "$tree/$file.supabase-new"
      chmod 0644 "$tree/$file.supabase-new"
      chown --reference="$tree" "$tree/$file.supabase-new"
      mv -f "$tree/$file.supabase-new" "$tree/$file"
    done
  fi
  (cd "$tree" && ours) | while IFS= read -r file; do
    [ -e "$source/$file" ] && continue
    # A person may have put it there, and have no other copy.
    mkdir -p -m 0700 "/var/lib/supabase/removed/$(dirname "$file")"
    mv -f "$tree/$file" "/var/lib/supabase/removed/$file"
  done
  rm -rf "$tree"/.supabase-* "$tree"/*.supabase-new "$tree"/*/*.supabase-new
  [ -d "$source/" ] || rmdir "$tree/instances" "$tree/secrets" "$tree" 2>/dev/null
  sync -f "$(dirname "$tree")"
}
