// Starts the app.
import { createApp } from 'vue';
import '../../shared/page/style.css';
import App from './App.vue';

createApp(App).mount('#app');
