# Put the module tree $1 back to what system $2 was built from; a system without our module had none of our files.
# Sourced by build.sh and way_back.sh as a function, so that both restore alike.
restore_tree() {
  dir=$1 source=$2/etc/supabase/source
  [ -d "$dir" ] || return 0
  if [ -d "$source" ]; then
    (cd "$source" && find . -type f) | while IFS= read -r file; do
      cmp -s "$source/$file" "$dir/$file" && continue
      mkdir -p "$(dirname "$dir/$file")"
      cp "$source/$file" "$dir/$file.supabase-new"
      chmod 0644 "$dir/$file.supabase-new"
      chown --reference="$dir" "$dir/$file.supabase-new"
      mv -f "$dir/$file.supabase-new" "$dir/$file"
    done
    (cd "$dir" && find . -type f) | while IFS= read -r file; do
      [ -e "$source/$file" ] || rm -f "$dir/$file"
    done
  else
    rm -rf "$dir"
  fi
}
