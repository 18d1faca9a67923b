# The network namespace of an instance: loopback only. Never restarted by a switch, since all that lives inside would go
# with it.
{ pkgs, instance }:
let
  ip = "${pkgs.iproute2}/bin/ip";
  namespace = baseNameOf instance.namespace;
in
{
  description = "Supabase instance ${instance.name}: network namespace";
  unitConfig.ConditionPathExists = instance.marker;
  restartIfChanged = false;
  serviceConfig = {
    Type = "oneshot";
    RemainAfterExit = true;
    Slice = instance.slice;
    # What a start that was killed left behind.
    ExecStartPre = "-${ip} netns delete ${namespace}";
    ExecStart = [ "${ip} netns add ${namespace}" "${ip} -n ${namespace} link set lo up" ];
    ExecStop = "${ip} netns delete ${namespace}";
  };
}
