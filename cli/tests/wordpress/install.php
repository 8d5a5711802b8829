<?php
// Makes the tables, a user and an application password, which is all that is printed.
define('WP_INSTALLING', true);
$_SERVER['HTTP_HOST'] = '127.0.0.1';
require __DIR__ . '/index.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';
wp_install('news', 'ada', 'ada@example.org', false, '', 'a password');
// What a new site begins with.
foreach (get_posts(['numberposts' => -1, 'post_status' => 'any']) as $post) {
    wp_delete_post($post->ID, true);
}
// `index.php` in front of the path: no web server rewrites it.
update_option('permalink_structure', '/index.php/%postname%/');
[$password] = WP_Application_Passwords::create_new_application_password(1, ['name' => 'news']);
echo $password;
