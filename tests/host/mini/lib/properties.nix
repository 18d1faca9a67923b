# mkIf, mkMerge, priorities and order, and the options' constructors.
lib:
rec {
  mkIf = condition: content: { _type = "if"; inherit condition content; };
  mkMerge = contents: { _type = "merge"; inherit contents; };
  mkOverride = priority: content: { _type = "override"; inherit priority content; };
  mkForce = mkOverride 50;
  mkVMOverride = mkOverride 10;
  mkDefault = mkOverride 1000;
  mkOptionDefault = mkOverride 1500;
  mkOrder = priority: content: { _type = "order"; inherit priority content; };
  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;
  mkAssert = c: msg: content: mkIf (if c then true else throw msg) content;

  mkOption = attrs: attrs // { _type = "option"; };
  mkEnableOption = n: mkOption { type = lib.types.bool; default = false; description = "Whether to enable ${n}."; };
  mkPackageOption = pkgs: n: { default ? n, nullable ? false, ... }:
    mkOption {
      type = if nullable then lib.types.nullOr lib.types.package else lib.types.package;
      default = if default == null then null else lib.getAttrFromPath (lib.toList default) pkgs;
    };
  mkRenamedOptionModule = from: to: { options, config, ... }: {
    options = lib.setAttrByPath from (mkOption { visible = false; type = lib.types.unspecified; });
    config = mkIf ((lib.getAttrFromPath from options).isDefined) (lib.setAttrByPath to (lib.getAttrFromPath from config));
  };
  mkRemovedOptionModule = path: why: { options, ... }: {
    options = lib.setAttrByPath path (mkOption { visible = false; type = lib.types.unspecified; default = null; });
  };
  isOption = v: v._type or "" == "option";
  isType = t: v: v._type or "" == t;
  literalExpression = text: { _type = "literalExpression"; inherit text; };
  literalMD = literalExpression;
  mdDoc = text: text;
  showOption = builtins.concatStringsSep ".";

  # one set of definitions -> the plain sets it stands for, properties moved down to the attributes
  pushDownProperties = v:
    let t = if builtins.isAttrs v then v._type or "" else ""; push = wrap: inner: map (builtins.mapAttrs (_: wrap)) (pushDownProperties inner); in
    if t == "merge" then builtins.concatMap pushDownProperties v.contents
    else if t == "if" then push (mkIf v.condition) v.content
    else if t == "override" then push (mkOverride v.priority) v.content
    else if t == "order" then push (mkOrder v.priority) v.content
    else [ v ];
  # one definition -> the values it stands for, each with its priority and order
  dischargeProperties = v:
    let t = if builtins.isAttrs v then v._type or "" else ""; in
    if t == "merge" then builtins.concatMap dischargeProperties v.contents
    else if t == "if" then
      if !builtins.isBool v.condition then throw "mkIf called with a non-Boolean condition"
      else if v.condition then dischargeProperties v.content else [ ]
    else if t == "override" then map (d: d // { prio = v.priority; }) (dischargeProperties v.content)
    else if t == "order" then map (d: d // { order = v.priority; }) (dischargeProperties v.content)
    else [ { prio = 100; order = 1000; value = v; } ];
}
