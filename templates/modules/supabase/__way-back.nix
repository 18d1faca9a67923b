# After a restart in the middle of an armed run: the module tree goes back to the system that has booted. The script is
# the run's own; it does nothing while the host has not restarted since.
{
  description = "Supabase: put the module tree back after an interrupted deploy";
  wantedBy = [ "multi-user.target" ];
  unitConfig.ConditionPathExists = "/var/lib/supabase/way-back/since";
  serviceConfig = {
    Type = "oneshot";
    ExecStart = "/bin/sh /var/lib/supabase/way-back/return.sh boot";
  };
}
