<?php
// The front of a WordPress that is configured by the environment, since Debian's own configuration is in /etc: WORDPRESS is its
// directory, SOCKET that of its database, which has no password.
define('ABSPATH', getenv('WORDPRESS') . '/');
define('DB_NAME', 'wordpress');
define('DB_USER', 'root');
define('DB_PASSWORD', '');
define('DB_HOST', 'localhost:' . getenv('SOCKET'));
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
// Application passwords are for https, or for this.
define('WP_ENVIRONMENT_TYPE', 'local');
define('DISABLE_WP_CRON', true);
define('WP_HTTP_BLOCK_EXTERNAL', true);
foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $name) {
    define($name . '_KEY', 'k');
    define($name . '_SALT', 's');
}
$table_prefix = 'wp_';
require ABSPATH . 'wp-settings.php';
if (!defined('WP_INSTALLING')) {
    wp();
}
