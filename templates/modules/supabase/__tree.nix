# The module tree: which instances it holds, and the revision of each of its parts.
{ lib }:
let
  root = ./.;
  entries = dir: if builtins.pathExists dir then builtins.readDir dir else { };
  filesOf = dir: builtins.attrNames (lib.filterAttrs (_: type: type == "regular") (entries dir));

  instanceFiles = builtins.filter (lib.hasSuffix ".json") (filesOf (root + "/instances"));
  instances = builtins.listToAttrs (map
    (file: {
      name = lib.removeSuffix ".json" file;
      value = lib.importJSON (root + "/instances/${file}");
    })
    instanceFiles);

  # A missing file is left out here: the assertions name it, with the next step.
  digest = files: builtins.hashString "sha256" (lib.concatMapStrings
    (file: "${builtins.hashFile "sha256" (root + "/${file}")}  ${file}\n")
    (builtins.filter (file: builtins.pathExists (root + "/${file}")) (lib.sort (a: b: a < b) files)));
in
{
  inherit instances;

  host = if builtins.pathExists (root + "/host.json") then lib.importJSON (root + "/host.json") else { };

  # The whole tree as one store path: what the way back restores.
  source = builtins.path { name = "supabase-module"; path = root; };

  revision = {
    module = digest (lib.remove "host.json" (filesOf root));
    cluster = digest [ "host.json" ];
    instances = lib.mapAttrs
      (name: instance: digest ([ "instances/${name}.json" ] ++ map (s: "secrets/${s}.age") (instance.secrets or [ ])))
      instances;
  };
}
