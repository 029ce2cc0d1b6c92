"""A back-end of Cinder that keeps nothing: its volumes have a size, and take no room."""

from cinder.volume import driver

# The second pool is as those back-ends report it that cannot say what they hold.
POOLS = [
    {
        "pool_name": "fast",
        "total_capacity_gb": 100.0,
        "free_capacity_gb": 62.5,
        "provisioned_capacity_gb": 40.0,
        "allocated_capacity_gb": 7,
        "reserved_percentage": 10,
        "thin_provisioning_support": True,
        "thick_provisioning_support": False,
        "max_over_subscription_ratio": "2.5",
    },
    {
        "pool_name": "endless",
        "total_capacity_gb": "infinite",
        "free_capacity_gb": "unknown",
        "reserved_percentage": 0,
    },
]


class Volumes(driver.VolumeDriver):
    VERSION = "1"
    SUPPORTED = True

    def check_for_setup_error(self):
        pass

    def create_volume(self, volume):
        pass

    def delete_volume(self, volume):
        pass

    def create_snapshot(self, snapshot):
        pass

    def delete_snapshot(self, snapshot):
        pass

    def ensure_export(self, context, volume):
        pass

    def create_export(self, context, volume, connector):
        pass

    def remove_export(self, context, volume):
        pass

    def get_volume_stats(self, refresh=False):
        return {
            "volume_backend_name": "private",
            "vendor_name": "Nephoscope",
            "driver_version": self.VERSION,
            "storage_protocol": "none",
            "pools": [dict(pool) for pool in POOLS],
        }
