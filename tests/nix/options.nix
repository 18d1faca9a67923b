# Every option of the module as data: its name, type, default and description. The module's option files are called with a
# `lib` that describes instead of checking, so that the text does not depend on which nixpkgs is there.
#   module  the directory of the module
{ module }:
let
  inherit (builtins) attrNames concatLists concatStringsSep isFunction toJSON;
  text = type: type.description;
  wrapped = type: if type.compound or false then "(${text type})" else text type;
  simple = description: { inherit description; };
  compound = description: { inherit description; compound = true; };

  types = {
    bool = simple "boolean";
    str = simple "string";
    path = simple "path";
    port = simple "port number";
    ints.positive = simple "positive integer";
    ints.between = low: high: simple "integer from ${toString low} to ${toString high}";
    strMatching = pattern: simple "string matching ${pattern}";
    enum = values: compound "one of ${concatStringsSep ", " (map toJSON values)}";
    nullOr = type: compound "null or ${text type}" // { inherit (type) inner; };
    listOf = type: compound "list of ${wrapped type}" // { inherit (type) inner; };
    attrsOf = type: compound "attribute set of ${wrapped type}" // { inherit (type) inner; };
    submodule = options: simple "submodule" // { inner = options; };
  };
  # Types without options inside have none.
  typed = type: type // { inner = type.inner or null; };
  lib = {
    mkOption = option: option // { _option = true; };
    literalExpression = text: { _literal = text; };
    importJSON = path: builtins.fromJSON (builtins.readFile path);
    mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
    filterAttrs = keep: set: removeAttrs set (builtins.filter (name: !(keep name set.${name})) (attrNames set));
    inherit concatStringsSep;
    types = builtins.mapAttrs
      (name: type:
        if name == "ints" then builtins.mapAttrs (_: int: if isFunction int then low: high: typed (int low high) else typed int) type
        else if isFunction type then argument: typed (type argument)
        else typed type)
      types;
  };

  value = option:
    if option ? defaultText then option.defaultText._literal
    else if option ? default then shown option.default
    else null;
  shown = it:
    if builtins.isPath it then "./${baseNameOf it}"
    else if it == { } then "{ }"
    else if it == [ ] then "[ ]"
    else toJSON it;

  # The options below `prefix`, those of submodules behind `<name>` where a name is free.
  list = prefix: options: concatLists (map
    (name:
      let it = options.${name}; path = "${prefix}${name}"; in
      if !(it._option or false) then list "${path}." it
      else [{
        name = path;
        type = text it.type;
        default = value it;
        example = if it ? example then shown it.example else null;
        inherit (it) description;
      }] ++ below path it.type)
    (attrNames options));
  below = path: type:
    if type.inner == null then [ ]
    else if isFunction type.inner then list "${path}.<name>." (type.inner {
      name = "<name>";
      # A default that follows from others says so in words.
      config = throw "${path}: an option's default has no defaultText";
      inherit lib;
    }).options
    else list "${path}." type.inner.options;
in
list "" (import (module + "/__options.nix") { inherit lib; }).options.constellation.supabase
