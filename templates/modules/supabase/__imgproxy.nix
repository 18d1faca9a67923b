# imgproxy: makes storage's images smaller. In the namespace, with nothing of the host in sight but the instance's files.
{ lib, pkgs, instance, ... }:
{
  unit = import ./__unit.nix { inherit lib instance; } {
    service = "imgproxy";
    description = "image transformation";
    namespaced = true;
    environment = {
      IMGPROXY_BIND = "127.0.0.1:${toString instance.ports.imgproxy}";
      # Storage names whole paths.
      IMGPROXY_LOCAL_FILESYSTEM_ROOT = "/";
      IMGPROXY_ALLOWED_SOURCES = "local://";
      IMGPROXY_USE_ETAG = "true";
      IMGPROXY_AUTO_WEBP = "true";
      IMGPROXY_MAX_SRC_RESOLUTION = "16.8";
      IMGPROXY_WORKERS = "2";
      IMGPROXY_LOG_LEVEL = instance.settings.logLevel;
      GOMEMLIMIT = "128MiB";
    };
    serviceConfig = {
      ExecStart = "${pkgs.imgproxy}/bin/imgproxy";
      # The files are storage's, open to its group.
      SupplementaryGroups = [ (instance.unit "storage") ];
      TemporaryFileSystem = [ "/run:ro" "/var:ro" ];
      BindReadOnlyPaths = [ instance.files ];
      # libvips may translate its loops to machine code at run time.
      MemoryDenyWriteExecute = false;
      RestrictAddressFamilies = [ "AF_INET" ];
    };
  };
}
