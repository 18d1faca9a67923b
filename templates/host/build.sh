# Build the host's next system from its configuration: $1 module tree, $2 flake reference or "" for a channel host, $3 the
# run's epoch, $4... what the built system's revision must hold, or `!NAME`: an instance that the system must not have.
# Prints `built PATH` last. Nothing is activated; when anything fails the module tree goes back to what runs.
set -eu
dir=$1 flake=$2 run=$3
shift 3
if [ -r /etc/set-environment ]; then set +u; . /etc/set-environment || true; set -u; fi
work=/var/lib/supabase/build
mkdir -p "$work"
cd "$work"
rm -f result
give_up() {
  echo "$1" >&2
  rm -f "$work/result"
  if [ "$(cat /var/lib/supabase/epoch)" = "$run" ]; then restore_tree "$dir" /run/current-system; fi
  exit 1
}

top=$(readlink -f "$dir")
while [ "$top" != / ] && ! [ -e "$top/.git" ]; do top=$(dirname "$top"); done
# In a git tree Nix sees only what git knows. As the tree's owner, whose index it is.
if [ -e "$top/.git" ] && command -v git >/dev/null; then
  (cd "$dir" && ours | setpriv --reuid="$(stat -c %u "$top")" --regid="$(stat -c %g "$top")" --clear-groups \
    env HOME=/ git add -N -f --pathspec-from-file=-) || give_up "git could not add the files of $dir; see above"
fi

add="imports = [ $dir ];  to the host's configuration"
rebuild() { nixos-rebuild build >/dev/null; }
if [ -n "$flake" ]; then
  tree=${flake#path:}
  tree=$(readlink -f "${tree%#*}") attribute=${flake##*#}
  inside=$(readlink -f "$dir")
  add="./${inside#"$tree"/}  to the modules of nixosConfigurations.$attribute in $tree/flake.nix"
  case $inside in
    "$tree"/*) ;;
    *) give_up "flake: Nix reads $tree only, and $dir is not in it; set module_dir to a directory below it" ;;
  esac
  # Nix opens the git tree of root, and under sudo that of whoever called it. The lock file is not ours to write.
  rebuild() {
    SUDO_UID=$(stat -c %u "$top") nixos-rebuild build --flake "$flake" --no-write-lock-file 2>"$work/log" >/dev/null && return
    cat "$work/log" >&2
    if grep -q "does not provide attribute" "$work/log"; then
      give_up "flake: $tree has no nixosConfigurations.$attribute; write the name of one of its systems after the #"
    fi
    return 1
  }
fi
hint=
for part; do
  case $part in
    !*) hint="; if the host's own configuration says anything of constellation.supabase.instances.${part#!}, remove that first" ;;
  esac
done
rebuild || give_up "the build failed; the host runs on as it was and its module tree is restored$hint"
built=$(readlink -f "$work/result")
revision=$built/etc/supabase/revision
if ! [ -e "$revision" ]; then
  give_up "the built system does not contain the module: add  $add  and run again"
fi
for part; do
  name=${part#!}
  if [ "$name" = "$part" ]; then
    grep -qF -- "$part" "$revision" ||
      give_up "the built system was not made from $dir as this run wants it: import the module from there only, and run again"
  elif grep -qF -- "\"$name\":\"" "$revision"; then
    give_up "the built system was not made from $dir, which no longer has $name: import the module from there only, and run again"
  elif [ -e "$built/etc/systemd/system/supabase-$name.slice" ] || grep -Rqs -- " /var/lib/supabase/$name " "$built/etc/tmpfiles.d/"; then
    give_up "the host's own configuration still defines constellation.supabase.instances.$name: remove that there, and run again"
  fi
done
"$built/etc/supabase/check-secrets" || give_up "secrets listed above do not open on this host; check its key in known_hosts, then run again"
pull_images "$built" || give_up "the images listed above are missing; the host runs on as it was and its module tree is restored"
echo "built $built"
