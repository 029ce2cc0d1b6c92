//! The rules: Gnocchi's names and defaults.

use oslo_policy::RuleDefault;

const ADMIN: &str = "role:admin";
const ANYBODY: &str = "";
const ADMIN_OR_SERVICE: &str = "rule:admin_or_service";
const ADMIN_OR_CREATOR: &str = "rule:admin_or_creator";
const RESOURCE_READER: &str = "rule:admin_or_creator or rule:resource_owner";
const RESOURCE_SEARCHER: &str = "rule:admin_or_service or rule:creator or rule:resource_owner";
const WRITER: &str = "rule:admin_or_service or rule:creator";
const METRIC_LISTER: &str = "rule:admin_or_creator or rule:metric_owner";
const METRIC_READER: &str = "rule:admin_or_service or rule:creator or rule:metric_owner";

/// The rules that the others are made of.
const PARTS: [RuleDefault; 6] = [
    RuleDefault::new("context_is_admin", ADMIN),
    RuleDefault::new(
        "admin_or_creator",
        "role:admin or user:%(creator)s or project_id:%(created_by_project_id)s",
    ),
    RuleDefault::new("admin_or_service", "role:admin or role:service"),
    RuleDefault::new("creator", "user:%(creator)s or project_id:%(created_by_project_id)s"),
    RuleDefault::new("resource_owner", "project_id:%(project_id)s"),
    RuleDefault::new("metric_owner", "project_id:%(resource.project_id)s"),
];

/// Declares the rules: each with its name and its default.
macro_rules! rules {
    ($($rule:ident $name:literal $check:expr;)+) => {
        /// What somebody wants to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the names are those of Gnocchi's rules")]
        pub enum Rule {
            $($rule,)+
        }

        impl Rule {
            /// Its name in policy files.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$rule => $name,)+
                }
            }
        }

        const OPERATIONS: &[RuleDefault] = &[$(RuleDefault::new($name, $check),)+];
    };
}

rules! {
    GetStatus "get status" ADMIN;
    CreateResource "create resource" ANYBODY;
    GetResource "get resource" RESOURCE_READER;
    UpdateResource "update resource" WRITER;
    DeleteResource "delete resource" ADMIN_OR_CREATOR;
    DeleteResources "delete resources" ADMIN_OR_CREATOR;
    ListResource "list resource" RESOURCE_READER;
    SearchResource "search resource" RESOURCE_SEARCHER;
    CreateResourceType "create resource type" ADMIN_OR_SERVICE;
    GetResourceType "get resource type" ANYBODY;
    UpdateResourceType "update resource type" ADMIN_OR_SERVICE;
    DeleteResourceType "delete resource type" ADMIN;
    ListResourceType "list resource type" ANYBODY;
    CreateArchivePolicy "create archive policy" ADMIN_OR_SERVICE;
    GetArchivePolicy "get archive policy" ANYBODY;
    UpdateArchivePolicy "update archive policy" ADMIN;
    DeleteArchivePolicy "delete archive policy" ADMIN;
    ListArchivePolicy "list archive policy" ANYBODY;
    CreateArchivePolicyRule "create archive policy rule" ADMIN;
    GetArchivePolicyRule "get archive policy rule" ANYBODY;
    UpdateArchivePolicyRule "update archive policy rule" ADMIN;
    DeleteArchivePolicyRule "delete archive policy rule" ADMIN;
    ListArchivePolicyRule "list archive policy rule" ANYBODY;
    CreateMetric "create metric" ANYBODY;
    GetMetric "get metric" METRIC_READER;
    DeleteMetric "delete metric" ADMIN_OR_CREATOR;
    ListMetric "list metric" METRIC_LISTER;
    SearchMetric "search metric" METRIC_LISTER;
    PostMeasures "post measures" WRITER;
    GetMeasures "get measures" METRIC_READER;
}

/// Every rule as it is unless an operator says otherwise: those of Gnocchi 4.7.
pub fn policy_defaults() -> Vec<RuleDefault> {
    PARTS.iter().chain(OPERATIONS).cloned().collect()
}
