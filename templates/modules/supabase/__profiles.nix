# What an instance runs unless it says otherwise, and how much of the host it may take: memory in MiB, tasks.
rec {
  api = { services = [ "restApi" ]; limits = { memory = 512; tasks = 256; }; };
  app = { services = api.services ++ [ "auth" "storage" ]; limits = { memory = 1024; tasks = 512; }; };
  full = { services = app.services ++ [ "realtime" "meta" "studio" ]; limits = { memory = 2048; tasks = 1024; }; };
}
