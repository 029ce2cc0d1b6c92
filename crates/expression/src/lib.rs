//! JSONPath in jsonpath-rw-ext's dialect, fnmatch and Python regular expressions.
