// The registry of diagnostic codes. A code is an interface: texts may change, codes may not, and
// none is used again.
#include "config/config.h"

const struct diag_code config_codes[] = {
    // files
    {"BH001", "a file or folder cannot be read"},
    {"BH002", "not a regular file or a folder"},
    {"BH003", "too large, or too many files"},
    {"BH004", "out of memory"},
    // YAML
    {"BH101", "not valid YAML"},
    {"BH102", "not valid UTF-8 text"},
    {"BH103", "nested too deeply"},
    {"BH104", "a key stands twice in one map"},
    {"BH105", "too many nodes, aliases counted as what they expand to"},
    {"BH106", "an alias without its anchor"},
    {"BH107", "a key that is not a plain word"},
    {"BH108", "a tag that means nothing here"},
    // documents
    {"BH201", "not a document of ours: apiVersion, kind, metadata and spec are needed"},
    {"BH202", "an apiVersion that this version does not read"},
    {"BH203", "an unknown kind"},
    {"BH204", "a kind that this version does not support"},
    {"BH205", "an unknown key"},
    {"BH206", "a key that must be there is missing"},
    {"BH207", "a value of the wrong type"},
    {"BH208", "a value that cannot be read"},
    {"BH209", "a value out of its range"},
    {"BH210", "two documents of one kind with the same name"},
    {"BH211", "more than one Agent document"},
    {"BH212", "settings that do not go together"},
    {"BH213", "a document of ours among the rules, or rules among the documents"},
    {"BH214", "a list, a label set or a text that is too long"},
    // rules: Falco's own codes, so that tools that read them keep working
    {"LOAD_ERR_FILE_READ", "File read error"},
    {"LOAD_ERR_YAML_PARSE", "YAML parse error"},
    {"LOAD_ERR_YAML_VALIDATE", "Error validating internal structure of YAML file"},
    {"LOAD_ERR_COMPILE_CONDITION", "Error compiling condition"},
    {"LOAD_ERR_COMPILE_OUTPUT", "Error compiling output"},
    {"LOAD_ERR_VALIDATE", "Error validating rule/macro/list/exception objects"},
    {"LOAD_ERR_EXTENSION", "Error in extension item"},
    {"LOAD_UNKNOWN_SOURCE", "Unknown event source"},
    {"LOAD_UNSAFE_NA_CHECK", "Unsafe <NA> check"},
    {"LOAD_NO_EVTTYPE", "Condition has no event type restriction"},
    {"LOAD_UNKNOWN_FILTER", "Unknown field or event type in condition or output"},
    {"LOAD_UNUSED_MACRO", "Unused macro"},
    {"LOAD_UNUSED_LIST", "Unused list"},
    {"LOAD_UNKNOWN_ITEM", "Unknown rules file item"},
    {"LOAD_DEPRECATED_ITEM", "Deprecated item"},
    {"LOAD_WARNING_EXTENSION", "Warning in extension item"},
    {"LOAD_APPEND_NO_VALUES", "Exception appended without values"},
    {"LOAD_EXCEPTION_NAME_NOT_UNIQUE", "Exception name not unique"},
    {"LOAD_INVALID_MACRO_NAME", "Invalid macro name"},
    {"LOAD_INVALID_LIST_NAME", "Invalid list name"},
    {"LOAD_COMPILE_CONDITION", "Suspicious condition"},
    {"LOAD_UNKNOWN_KEY", "Unknown key"},
};
const size_t config_codes_n = ARRAY_SIZE(config_codes);
